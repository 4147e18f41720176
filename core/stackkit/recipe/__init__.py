"""Describe an experiment by names and settings: on the command line, in Python, or in a TOML file.

The named recipes are the TOML files in this folder: plain lists of components and options.
"""

from stackkit.recipe.recipe import (
    AGGREGATORS,
    BASELINES,
    FOLDS,
    INNER_FOLDS,
    RECIPE_BACKBONES,
    Recipe,
    ResolvedRecipe,
    changes,
    command,
    compose,
    resolve,
    title,
)
from stackkit.recipe.recipe_file import PUBLISHED, RecipeFile, Setting, load_recipe

__all__ = [
    "AGGREGATORS",
    "BASELINES",
    "FOLDS",
    "INNER_FOLDS",
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
