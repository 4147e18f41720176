"""Describe an experiment by names and settings, and resolve the names to components."""

from __future__ import annotations

from dataclasses import dataclass

from stackkit.api.errors import UsageError
from stackkit.host.component import ConfiguredComponent
from stackkit.host.registry import Registry, with_machine, with_seed

RECIPE_BACKBONES = ("vgg19", "resnet50", "inception-v3", "xception")
LEARNERS = ("logistic",)
AGGREGATORS = ("average-svm", "soft-vote")
BASELINES = ("linear-svm",)
FOLDS = 3
INNER_FOLDS = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Recipe:
    """An experiment, described by names and settings.

    The defaults are the published recipe, plus the aggregator soft-vote for comparison.

    Attributes
    ----------
    dataset : str
        Name and options of the dataset, such as "mnist:limit=50".
    backbones : tuple of str
        Names, patterns and options of the backbones.
    learners : tuple of str
        The learners that are fitted on each backbone; all of their fits are stacked.
    aggregators : tuple of str
        The meta-classifiers to compare.
    baselines : tuple of str
        Learners that are reported per backbone and not stacked.
    cv : int
        Number of stratified folds, >= 2.
    repeats : int
        How often to repeat cross-validation with other folds, >= 1; needs `shuffle`.
    group_duplicates : bool
        Whether copies of one file are always in the same fold, like images of one group.
    official : bool
        Use the official training and test split of the dataset instead of folds.
    shuffle : bool
        Shuffle the samples before they are divided into folds.
    seed : int
        Seed of folds and of every component with an option `seed`.
    inner_cv : int
        Number of folds inside a training fold that give out-of-fold probabilities, >= 2.
    refit : bool
        Whether learners of out-of-fold aggregators are fitted again on the whole training fold to
        predict test images. If False, the learners of the inner folds are averaged.
    strict : bool
        Stop at the first image that cannot be read, instead of leaving it out.
    device : {"cpu", "gpu"} or None
        Where backbones compute; None lets each of them choose.
    threads : int or None
        Threads per backbone, >= 1; None lets each of them choose.
    jobs : int or None
        Number of fits at the same time, >= 1; None uses all cores. It has no influence on figures.

    References
    ----------
    Y. Resheff, "Transfer learning from multiple pre-trained computer vision models", 2017.

    """

    dataset: str
    backbones: tuple[str, ...] = RECIPE_BACKBONES
    learners: tuple[str, ...] = LEARNERS
    aggregators: tuple[str, ...] = AGGREGATORS
    baselines: tuple[str, ...] = BASELINES
    cv: int = FOLDS
    repeats: int = 1
    group_duplicates: bool = False
    official: bool = False
    shuffle: bool = False
    seed: int = 0
    inner_cv: int = INNER_FOLDS
    refit: bool = True
    strict: bool = False
    device: str | None = None
    threads: int | None = None
    jobs: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ResolvedRecipe:
    """The components of a recipe: all names are resolved, and no component is imported yet.

    Attributes
    ----------
    dataset : ConfiguredComponent
        The dataset.
    backbones : tuple of ConfiguredComponent
        The backbones, patterns expanded.
    learners : tuple of ConfiguredComponent
        The learners to stack, at least one.
    aggregators : tuple of ConfiguredComponent
        The meta-classifiers.
    baselines : tuple of ConfiguredComponent
        Learners to report per backbone.

    """

    dataset: ConfiguredComponent
    backbones: tuple[ConfiguredComponent, ...]
    learners: tuple[ConfiguredComponent, ...]
    aggregators: tuple[ConfiguredComponent, ...]
    baselines: tuple[ConfiguredComponent, ...]

    @property
    def classifiers(self) -> list[ConfiguredComponent]:
        """Everything that is fitted: baselines, learners, and aggregators."""
        return [*self.baselines, *self.learners, *self.aggregators]

    @property
    def all(self) -> list[ConfiguredComponent]:
        """All components, each once; those that only find boxes for a backbone follow the backbones."""
        backbones = {each.text: each for each in self.backbones}
        finders = {each.boxes.text: each.boxes for each in self.backbones if each.boxes}
        classifiers = {(one.component.kind, one.text): one for one in self.classifiers}
        return [self.dataset, *{**backbones, **finders}.values(), *classifiers.values()]


def resolve(recipe: Recipe, registry: Registry) -> ResolvedRecipe:
    """Resolve all names of a recipe.

    Parameters
    ----------
    recipe : Recipe
        The experiment.
    registry : Registry
        The available components.

    Returns
    -------
    ResolvedRecipe
        The components, with the recipe's seed, device and threads as defaults of their options.

    Raises
    ------
    UsageError
        If a name or an option is invalid, or there is no learner. Nothing is imported or computed
        before.

    """
    if not recipe.learners:
        raise UsageError("a recipe needs at least one learner, such as logistic")
    registry = with_machine(with_seed(registry, recipe.seed), recipe.device, recipe.threads)
    return ResolvedRecipe(
        dataset=registry.one("dataset", recipe.dataset),
        backbones=tuple(registry.several("backbone", recipe.backbones)),
        learners=tuple(registry.several("learner", recipe.learners)),
        aggregators=tuple(registry.several("aggregator", recipe.aggregators)),
        baselines=tuple(registry.several("learner", recipe.baselines)),
    )
