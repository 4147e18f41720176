"""Find what can be compared: networks that can run here, each with a quick probe, and recipes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal

from stackkit.api.errors import StackkitError
from stackkit.host.configured_component import ConfiguredComponent, first_unavailable
from stackkit.host.registry import Registry
from stackkit.recipe import PUBLISHED, Recipe, Setting, compose, load_recipe

PROBE = "lda"
"""The learner that compares networks: shrinkage LDA, a single closed-form fit per fold."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Search:
    """What to compare on which images, and for how long.

    Parameters
    ----------
    dataset : str
        Name and options of the dataset.
    backbones : tuple of str
        Names, patterns and options of networks; empty for all that can run without a download.
    recipes : tuple of str
        Names and paths of recipes.
    limit : int or None
        Images per class in the sample; None for about 400 images in all.
    budget_s : float
        Time to spend, in seconds, > 0. A candidate that is predicted to take longer than what is left
        is skipped; one that has begun is finished.
    seed : int
        Seed of the sample, of the folds and of components.
    device, threads, jobs
        As in `Recipe`.

    """

    dataset: str
    backbones: tuple[str, ...] = ()
    recipes: tuple[str, ...] = ()
    limit: int | None = None
    budget_s: float = 600.0
    seed: int = 0
    device: str | None = None
    threads: int | None = None
    jobs: int | None = None

    def recipe(self, name: str, **given: Setting) -> Recipe:
        """Return a recipe by its name, with other settings, for this dataset and machine."""
        composed = compose(load_recipe(name), self.dataset, given)
        return replace(composed, device=self.device, threads=self.threads, jobs=self.jobs)


@dataclass(frozen=True, slots=True, kw_only=True)
class Candidate:
    """A network or a recipe to try.

    Parameters
    ----------
    name : str
        Label of the backbone, or name of the recipe.
    kind : {"network", "recipe"}
        What it is.
    recipe : Recipe
        The recipe to run on the whole dataset if this candidate is chosen.

    """

    name: str
    kind: Literal["network", "recipe"]
    recipe: Recipe


@dataclass(frozen=True, slots=True, kw_only=True)
class NotReady:
    """A recipe that cannot run on this machine now, and why."""

    name: str
    reason: str


def find_candidates(registry: Registry, search: Search) -> tuple[list[Candidate], list[NotReady]]:
    """Return what can run on this machine without a download.

    Parameters
    ----------
    registry : Registry
        All components.
    search : Search
        What to compare.

    Returns
    -------
    candidates : list of Candidate
        Networks that recipes use first, then the others, then the recipes.
    not_ready : list of NotReady
        Recipes that cannot run, and networks that the search names and that cannot.

    Raises
    ------
    UsageError
        If a name or a file is invalid.

    """
    recipes, not_ready, used = list[Candidate](), list[NotReady](), list[str]()
    for name in search.recipes:
        recipe = search.recipe(name)
        try:
            components = registry.several("backbone", recipe.backbones)
            reason = first_unavailable(components)
        except StackkitError as error:
            components, reason = [], str(error)
        used += [component.name for component in components]
        if reason:
            not_ready.append(NotReady(name=name, reason=reason))
        else:
            recipes.append(Candidate(name=name, kind="recipe", recipe=recipe))
    networks = list[Candidate]()
    for component in _networks(registry, search, used):
        if not (reason := component.unavailable_reason()):
            recipe = search.recipe(PUBLISHED, backbones=(component.label,), learners=(PROBE,))
            networks.append(Candidate(name=component.label, kind="network", recipe=recipe))
        elif search.backbones:
            not_ready.append(NotReady(name=component.label, reason=reason))
    return [*networks, *recipes], not_ready


def _networks(registry: Registry, search: Search, used: Sequence[str]) -> list[ConfiguredComponent]:
    if search.backbones:
        return registry.several("backbone", search.backbones)
    found = [registry.default(component) for component in registry.of_kind("backbone")]
    return sorted(found, key=lambda component: component.name not in used)
