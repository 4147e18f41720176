"""`stackkit.run` and `stackkit.train`: what the commands do, with a result in Python."""

from __future__ import annotations

import os
from contextlib import ExitStack
from dataclasses import replace
from inspect import signature
from pathlib import Path
from typing import Any, Unpack

from stackkit.api.errors import UsageError
from stackkit.api.paths import fits_dir, user_path
from stackkit.api.reporter import Reporter, SilentReporter
from stackkit.experiment.evaluation import Outputs
from stackkit.experiment.recording import keep, write_files
from stackkit.experiment.run import Finished, Steps, carry_out
from stackkit.experiment.saving import Saving
from stackkit.library.arguments import RecipeOptions, recipe_of, store_of
from stackkit.library.components import dataset_text, installed
from stackkit.library.loaded_model import LoadedModel
from stackkit.library.run_report import RunReport, TrainedModel
from stackkit.report import report as report_file


def run(
    dataset: str | os.PathLike[str],
    *,
    out: str | os.PathLike[str] | None = None,
    save: str | os.PathLike[str] | None = None,
    save_aggregator: str = "",
    with_weights: bool = False,
    with_examples: bool = False,
    licence: str = "",
    overwrite: bool = False,
    html: bool = True,
    reporter: Reporter | None = None,
    **options: Unpack[RecipeOptions],
) -> RunReport:
    """Extract features, evaluate classifiers and stacks of them, and report accuracy.

    Parameters
    ----------
    dataset : str or os.PathLike
        Name and options of a dataset, such as "mnist:limit=50", or a folder with a subfolder per class.
    out : str or os.PathLike, optional
        Folder for report.html, report.json, predictions.csv and more. Without it, the record is kept in
        STACKKIT_HOME/runs, and `stackkit report` shows it.
    save : str or os.PathLike, optional
        Then fit a model and write it to this file, such as "birds.stackkit"; see `train`.
    save_aggregator : str, optional
        Aggregator of the saved model; by default the first one.
    with_weights, with_examples, licence
        Of the saved model, as for `train`.
    overwrite : bool, default False
        Replace an existing report in `out`, and an existing file `save`.
    html : bool, default True
        Whether to make report.html in `out`.
    reporter : Reporter, optional
        Receives progress; by default nothing is shown.
    **options
        The options of `stackkit run`, with underscores: recipe, backbones, learner, aggregator,
        baseline, cv, split, holdout, shuffle, repeats, group_duplicates, inner_cv, refit,
        learning_curve, jobs, executor, seed, strict, store, feature_dtype, device, threads. Several
        components are text with commas or a list.

    Returns
    -------
    RunReport
        The accuracy of each classifier.

    Raises
    ------
    UsageError
        If an argument or the name of a component is invalid.
    StackkitError
        As the command ends with.

    """
    of_model: dict[str, Any] = {
        "aggregator": save_aggregator,
        "with_weights": with_weights,
        "with_examples": with_examples,
        "licence": licence,
    }
    saving = _saving(save, of_model, overwrite=overwrite)
    registry = installed()
    recipe = recipe_of(dataset_text(dataset, registry), options, signature(run).parameters)
    store = store_of(options)
    folder = user_path(out) if out else None
    if saving:
        saving.check()
    steps = Steps(outputs=Outputs(fits=fits_dir(), folder=folder))
    shown = reporter or SilentReporter()
    task = (recipe, registry, store, shown, steps)
    with ExitStack() as held:
        if folder:
            held.enter_context(report_file.reserved(folder, overwrite=overwrite))
        trained = saving.train(*task) if saving else None
        found = trained.found if trained else carry_out(*task)
        try:
            if saving and trained:
                found = replace(found, report=saving.save(trained))
        finally:  # a model that cannot be written must not cost the report
            _record(found, folder, shown, overwrite=overwrite, html=html)
    model = LoadedModel(trained.model, device=recipe.device, threads=recipe.threads) if trained else None
    return RunReport(found, model)


def _saving(
    save: str | os.PathLike[str] | None, of_model: dict[str, Any], *, overwrite: bool
) -> Saving | None:
    """Return how the model is saved; raises UsageError for arguments that need `save` without it."""
    if save:
        return Saving(path=user_path(save), overwrite=overwrite, **of_model)
    if without := next(filter(of_model.get, of_model), None):
        name = "save_aggregator" if without == "aggregator" else without
        raise UsageError(f"{name} needs save, the file of the model")
    return None


def _record(
    found: Finished, folder: Path | None, reporter: Reporter, *, overwrite: bool, html: bool
) -> None:
    """Write what the command writes."""
    if folder is None:
        keep(found, reporter.message)
        return
    write_files(found, folder, overwrite=overwrite, tell=reporter.message)
    if html:
        from stackkit.experiment.page import page_of_run

        page_of_run(found, folder, reporter)


def train(
    dataset: str | os.PathLike[str],
    *,
    out: str | os.PathLike[str] | None = None,
    overwrite: bool = False,
    with_weights: bool = False,
    with_examples: bool = False,
    licence: str = "",
    reporter: Reporter | None = None,
    **options: Unpack[RecipeOptions],
) -> TrainedModel:
    """Evaluate a stack, fit it on all training images, and return it as a model that labels images.

    Parameters
    ----------
    dataset : str or os.PathLike
        Name and options of a dataset, such as "mnist:limit=50", or a folder with a subfolder per class.
    out : str or os.PathLike, optional
        File to save the model to, such as "birds.stackkit"; `LoadedModel.save` does it later.
    overwrite : bool, default False
        Replace an existing file.
    with_weights : bool, default False
        Put the weights of the networks in, so that nobody has to download them.
    with_examples : bool, default False
        Put small copies of training images in, which `stackkit explain` and `stackkit serve` show.
    licence : str, optional
        Note in the model on what its weights and images allow.
    reporter : Reporter, optional
        Receives progress; by default nothing is shown.
    **options
        As for `run`. Without `aggregator`, the model has the first one of the recipe.

    Returns
    -------
    TrainedModel
        Its `report` and its `model`.

    Raises
    ------
    UsageError
        If an argument or the name of a component is invalid.
    StackkitError
        As the command ends with.

    """
    registry = installed()
    recipe = recipe_of(dataset_text(dataset, registry), options, signature(train).parameters)
    store = store_of(options)
    saving = Saving(
        path=user_path(out) if out else None,
        ask=True,
        overwrite=overwrite,
        with_weights=with_weights,
        with_examples=with_examples,
        licence=licence,
    )
    saving.check()
    steps = Steps(outputs=Outputs(fits=fits_dir()))
    shown = reporter or SilentReporter()
    trained = saving.train(recipe, registry, store, shown, steps)
    found = replace(trained.found, report=saving.save(trained))
    keep(found, shown.message)
    report = RunReport(found)
    model = LoadedModel(trained.model, device=recipe.device, threads=recipe.threads)
    return TrainedModel(report, model, saving.path)
