"""`stackkit train`: fit a stack on a dataset and write it to one file."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from stackkit.api.errors import UsageError
from stackkit.cli import model_options, options
from stackkit.cli.recipe_options import first_from, parse_recipe
from stackkit.cli.run import run_recipe
from stackkit.recipe import Recipe

if TYPE_CHECKING:
    from stackkit.experiment.saving import Saving


@first_from(parse_recipe)
def train(
    recipe: Recipe,
    out: model_options.Bundle = None,
    update: model_options.Update = None,
    overwrite: model_options.OverwriteModel = False,
    with_weights: model_options.WithWeights = False,
    with_examples: model_options.WithExamples = False,
    licence: model_options.Licence = None,
    store: options.Store = None,
    feature_dtype: options.FeatureDtype = "float32",
    device: options.Device = None,
    threads: options.Threads = None,
    dry_run: options.DryRun = False,
    progress: options.Progress = "auto",
    as_json: options.Json = False,
) -> None:
    """Fit a stack on a dataset and write it to one file.

    It is evaluated first, so that the file says what accuracy to expect. The stack is then fitted on
    all images, or with --split official on the training part only. Without --aggregator it is the
    first one of the recipe.

    --update adds the images, and new classes, to a trained model without its old images.

    Try: stackkit train --dataset image-folder:root=birds --recipe fast --out birds.stackkit
    """
    options.check_count("--threads", threads)
    recipe = replace(recipe, device=device, threads=threads)
    given = {"overwrite": overwrite, "with_weights": with_weights, "with_examples": with_examples}
    saving = _saving(out or update, licence=licence or "", **given)
    feature_store = options.feature_store(store, feature_dtype)
    if update:
        _refuse_with_update(with_examples=with_examples, dry_run=dry_run)
        from stackkit.cli.update_model import update_model

        update_model(update, recipe, saving, feature_store, progress, as_json=as_json)
    elif dry_run:
        from stackkit.cli.preview import show_dry_run

        choose = saving.chooser(recipe)
        show_dry_run(recipe, feature_store, progress, as_json=as_json, evaluable=True, choose=choose)
    else:
        output = options.output_format(as_json=as_json, as_csv=False)
        task = (recipe, None, overwrite, feature_store, progress, output)
        run_recipe(*task, may_extract=True, saving=saving)


def _saving(path: Path | None, licence: str, **given: Any) -> Saving:
    """Return what is saved, checked; `given` are other parameters of `Saving`."""
    if path is None:
        raise UsageError("--out is required; see `stackkit train --help`")
    from stackkit.experiment.saving import Saving

    saving = Saving(path=path, ask=True, licence=licence, **given)
    saving.check()
    return saving


def _refuse_with_update(**given: bool) -> None:
    for name in (name for name, is_given in given.items() if is_given):
        raise UsageError(f"--{name.replace('_', '-')} cannot be combined with --update; leave it out")
