"""An experiment in words, and the components those words mean."""

from __future__ import annotations

from dataclasses import dataclass
from typing import cast

from stackkit.choice import Choice
from stackkit.errors import UsageError
from stackkit.registry import Registry, with_machine, with_seed
from stackkit.specs import LearnerSpec

RECIPE_BACKBONES = ("vgg19", "resnet50", "inception-v3", "xception")


@dataclass(frozen=True, slots=True, kw_only=True)
class Recipe:
    """An experiment in words; the defaults are the published recipe (plus soft-vote beside it).

    `cv` is the number of stratified folds; `official` asks for the dataset's own split instead.
    `baseline` is a learner shown per backbone and not stacked, None for none. `inner_cv` folds
    make out-of-fold probabilities for the aggregators that want them. `device` ("cpu" or "gpu")
    and `threads` say where backbones work and change no figure; None leaves it to them.
    """

    dataset: str
    backbones: tuple[str, ...] = RECIPE_BACKBONES
    learner: str = "logistic"
    aggregators: tuple[str, ...] = ("average-svm", "soft-vote")
    baseline: str | None = "linear-svm"
    cv: int = 3
    official: bool = False
    shuffle: bool = False
    seed: int = 0
    inner_cv: int = 3
    strict: bool = False
    device: str | None = None
    threads: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Ingredients:
    """A recipe's components: every name resolved, nothing imported yet."""

    dataset: Choice
    backbones: tuple[Choice, ...]
    learner: Choice
    aggregators: tuple[Choice, ...]
    baseline: Choice | None

    @property
    def classifiers(self) -> list[Choice]:
        """Everything that is fitted."""
        baseline = [self.baseline] if self.baseline else []
        return [*baseline, self.learner, *self.aggregators]

    @property
    def all(self) -> list[Choice]:
        """Every component once."""
        return [self.dataset, *self.backbones, *self.classifiers]


def resolve(recipe: Recipe, registry: Registry) -> Ingredients:
    """Look every name of a recipe up; raises UsageError before any work is done."""
    registry = with_machine(with_seed(registry, recipe.seed), recipe.device, recipe.threads)
    learner = registry.one("learner", recipe.learner)
    aggregators = registry.several("aggregator", recipe.aggregators)
    if aggregators and not cast(LearnerSpec, learner.component.spec).probabilities:
        raise UsageError(
            f"learner {learner.name} gives no probabilities, which aggregators need; use logistic, "
            f"or --baseline {learner.name} to see it per backbone"
        )
    return Ingredients(
        dataset=registry.one("dataset", recipe.dataset),
        backbones=tuple(registry.several("backbone", recipe.backbones)),
        learner=learner,
        aggregators=tuple(aggregators),
        baseline=registry.one("learner", recipe.baseline) if recipe.baseline else None,
    )
