"""An experiment in words, and the components those words mean."""

from __future__ import annotations

from dataclasses import dataclass

from stackkit.host.component import ConfiguredComponent
from stackkit.host.registry import Registry, with_machine, with_seed

RECIPE_BACKBONES = ("vgg19", "resnet50", "inception-v3", "xception")
AGGREGATORS = ("average-svm", "soft-vote")
BASELINES = ("linear-svm",)
FOLDS = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Recipe:
    """An experiment in words; the defaults are the published recipe (plus soft-vote beside it).

    `cv` is the number of stratified folds, made anew `repeats` times if they are shuffled;
    `official` asks for the dataset's own split instead. `baselines` are learners shown per backbone
    and not stacked. `inner_cv` folds make out-of-fold probabilities for the aggregators that want
    them; for what `refit` means, see `FitPlan`. `device` ("cpu" or "gpu") and `threads` say where
    backbones work, `jobs` how many fits at a time; None leaves it to them, or means all cores.
    """

    dataset: str
    backbones: tuple[str, ...] = RECIPE_BACKBONES
    learner: str = "logistic"
    aggregators: tuple[str, ...] = AGGREGATORS
    baselines: tuple[str, ...] = BASELINES
    cv: int = FOLDS
    repeats: int = 1
    official: bool = False
    shuffle: bool = False
    seed: int = 0
    inner_cv: int = 3
    refit: bool = True
    strict: bool = False
    device: str | None = None
    threads: int | None = None
    jobs: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ResolvedRecipe:
    """A recipe's components: every name resolved, nothing imported yet."""

    dataset: ConfiguredComponent
    backbones: tuple[ConfiguredComponent, ...]
    learner: ConfiguredComponent
    aggregators: tuple[ConfiguredComponent, ...]
    baselines: tuple[ConfiguredComponent, ...]

    @property
    def classifiers(self) -> list[ConfiguredComponent]:
        """Everything that is fitted."""
        return [*self.baselines, self.learner, *self.aggregators]

    @property
    def all(self) -> list[ConfiguredComponent]:
        """Every component once."""
        classifiers = {(choice.component.kind, choice.text): choice for choice in self.classifiers}
        return [self.dataset, *self.backbones, *classifiers.values()]


def resolve(recipe: Recipe, registry: Registry) -> ResolvedRecipe:
    """Look every name of a recipe up; raises UsageError before any work is done."""
    registry = with_machine(with_seed(registry, recipe.seed), recipe.device, recipe.threads)
    return ResolvedRecipe(
        dataset=registry.one("dataset", recipe.dataset),
        backbones=tuple(registry.several("backbone", recipe.backbones)),
        learner=registry.one("learner", recipe.learner),
        aggregators=tuple(registry.several("aggregator", recipe.aggregators)),
        baselines=tuple(registry.several("learner", recipe.baselines)),
    )
