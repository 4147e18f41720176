"""`stackkit evaluate`: fit and evaluate classifiers on features that are stored already."""

from __future__ import annotations

from stackkit.cli import options
from stackkit.cli.recipe_options import first_from, parse_recipe
from stackkit.cli.run import run_recipe
from stackkit.recipe import Recipe


@first_from(parse_recipe)
def evaluate(
    recipe: Recipe,
    out: options.Out = None,
    overwrite: options.Overwrite = False,
    html: options.Html = True,
    store: options.Store = None,
    feature_dtype: options.FeatureDtype = "float32",
    progress: options.Progress = "auto",
    as_json: options.Json = False,
    as_csv: options.Csv = False,
) -> None:
    """Fit and evaluate classifiers on stored features.

    Run `stackkit extract` with the same --dataset and --backbones first.

    Try: stackkit evaluate --dataset cub200 --backbones resnet50 --shuffle
    """
    output = options.output_format(as_json=as_json, as_csv=as_csv)
    feature_store = options.feature_store(store, feature_dtype)
    run_recipe(recipe, out, overwrite, feature_store, progress, output, may_extract=False, html=html)
