"""Resolve the names in a recipe to components."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from stackkit.api.errors import StackkitError, UsageError
from stackkit.execution.opening import LOCAL
from stackkit.host.configured_component import ConfiguredComponent
from stackkit.host.registry import Registry, with_machine, with_seed
from stackkit.recipe.recipe import Recipe, changes
from stackkit.recipe.recipe_file import PUBLISHED


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
    executor : ConfiguredComponent or None
        The workers that compute; None for this process alone. It is not one of `all`, because figures
        do not depend on it.

    """

    dataset: ConfiguredComponent
    backbones: tuple[ConfiguredComponent, ...]
    learners: tuple[ConfiguredComponent, ...]
    aggregators: tuple[ConfiguredComponent, ...]
    baselines: tuple[ConfiguredComponent, ...]
    executor: ConfiguredComponent | None

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
    dataset = registry.one("dataset", recipe.dataset)
    with _key_of(recipe, "backbones"):
        backbones = tuple(registry.several("backbone", recipe.backbones))
    with _key_of(recipe, "learners"):
        learners = tuple(registry.several("learner", recipe.learners))
    with _key_of(recipe, "aggregators"):
        aggregators = tuple(registry.several("aggregator", recipe.aggregators))
    with _key_of(recipe, "baselines"):
        baselines = tuple(registry.several("learner", recipe.baselines))
    return ResolvedRecipe(
        dataset=dataset,
        backbones=backbones,
        learners=learners,
        aggregators=aggregators,
        baselines=baselines,
        executor=None if recipe.executor == LOCAL else registry.one("executor", recipe.executor),
    )


@contextmanager
def _key_of(recipe: Recipe, key: str) -> Iterator[None]:
    """Name the file and the key in errors about components that the file lists."""
    try:
        yield
    except StackkitError as error:
        if recipe.file.name == PUBLISHED or key in changes(recipe):
            raise
        raise type(error)(f"recipe {recipe.file.name}: {key}: {error}") from error
