"""Describe an experiment by names and settings: on the command line, in Python, or in a TOML file.

The named recipes are the TOML files in this folder: plain lists of components and options.
"""

from stackkit.execution.opening import LOCAL
from stackkit.recipe.recipe import (
    AGGREGATORS,
    BASELINES,
    FOLDS,
    INNER_FOLDS,
    LEARNERS,
    RECIPE_BACKBONES,
    Recipe,
    changes,
    command,
    compose,
    title,
)
from stackkit.recipe.recipe_file import PUBLISHED, RecipeFile, Setting, load_recipe
from stackkit.recipe.resolved import ResolvedRecipe, resolve

__all__ = [
    "AGGREGATORS",
    "BASELINES",
    "FOLDS",
    "INNER_FOLDS",
    "LEARNERS",
    "LOCAL",
    "PUBLISHED",
    "RECIPE_BACKBONES",
    "Recipe",
    "RecipeFile",
    "ResolvedRecipe",
    "Setting",
    "changes",
    "command",
    "compose",
    "load_recipe",
    "resolve",
    "title",
]
