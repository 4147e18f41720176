"""`stackkit.run` and `stackkit.train`: what the commands do, with a result in Python."""

from __future__ import annotations

import io
import os
from contextlib import ExitStack
from dataclasses import dataclass, replace
from functools import cached_property
from inspect import signature
from pathlib import Path
from typing import Any, Unpack

from stackkit.api.errors import UsageError
from stackkit.api.paths import fits_dir, user_path
from stackkit.api.reporter import Reporter, SilentReporter
from stackkit.evaluation.metrics import Result, best_single
from stackkit.experiment.evaluation import Outputs
from stackkit.experiment.recording import keep, record_of, write_files
from stackkit.experiment.run import Finished, Steps, carry_out
from stackkit.experiment.saving import Saving
from stackkit.library.arguments import RecipeOptions, recipe_of, store_of
from stackkit.library.components import dataset_text, installed
from stackkit.library.frames import data_frame
from stackkit.library.loaded_model import LoadedModel
from stackkit.report import report as report_file
from stackkit.report import table as text_table
from stackkit.report.predictions import Predictions as PredictionsFile
from stackkit.report.report import Report


@dataclass(frozen=True, eq=False)
class RunReport:
    """What a run found out: an accuracy for each classifier, and what to know about it.

    `print(report)` shows the table of the command line.

    Attributes
    ----------
    model : LoadedModel or None
        The model that `run(save=...)` has saved.

    """

    _found: Finished
    model: LoadedModel | None = None

    @property
    def _report(self) -> Report:
        return self._found.report

    @property
    def results(self) -> tuple[Result, ...]:
        """The rows of the table, each with `name`, `backbones`, `accuracy`, `interval_95` and more."""
        return self._report.results

    @property
    def official_split(self) -> RunReport | None:
        """With ``split="both"``, the report on the official split, not comparable with this one."""
        return RunReport(self._found.official) if self._found.official else None

    @property
    def best_single(self) -> Result:
        """The most accurate classifier on the features of one network."""
        return best_single(self._report.results)

    @property
    def classes(self) -> tuple[str, ...]:
        """Names of the classes."""
        return self._report.classes

    @property
    def notes(self) -> tuple[str, ...]:
        """What to know about the figures."""
        return self._report.notes

    def document(self) -> dict[str, Any]:
        """Return the content of report.json; with ``split="both"``, `official_split` is in it."""
        return self._found.document()

    def to_dataframe(self) -> Any:
        """Return a pandas DataFrame with a row per classifier; columns as in report.json.

        Raises
        ------
        StackkitError
            If pandas is not installed.

        """
        return data_frame(self.document()["results"])

    def __str__(self) -> str:
        from rich.console import Console

        written = io.StringIO()
        text_table.show_all(self._found.reports, Console(file=written, width=120))
        return written.getvalue().strip()

    def __repr__(self) -> str:
        return f"<RunReport of {len(self.results)} classifiers on {self._report.dataset}>"

    def html(self) -> str:
        """Return the report as one HTML page, as `stackkit run --out` writes it.

        The first call reads images and places them on a map, which takes some seconds.
        """
        return self._page

    @cached_property
    def _page(self) -> str:
        # Only now: matplotlib takes a second to import.
        from stackkit.experiment.page import Source, with_evidence
        from stackkit.html_report import page

        return page(with_evidence(record_of(self._found), Source.of(self._found), SilentReporter()))

    def save_html(self, path: str | os.PathLike[str]) -> Path:
        """Write the page of `html` to a file, which is replaced if it exists, and return its path.

        Raises
        ------
        UsageError
            If the file cannot be written.

        """
        from stackkit.experiment.page import write_page

        return write_page(self._page, user_path(path))

    def _repr_html_(self) -> str:
        from stackkit.html_report import frame

        return frame(self._page)


@dataclass(frozen=True, eq=False)
class TrainedModel:
    """A trained model and the report that says how good it is; ``report, model = trained`` works too.

    Attributes
    ----------
    report : RunReport
        The evaluation.
    model : LoadedModel
        Labels images.
    path : Path or None
        The file that it was saved to.

    """

    report: RunReport
    model: LoadedModel
    path: Path | None = None

    def __iter__(self) -> Any:
        return iter((self.report, self.model))

    def _repr_html_(self) -> str:
        return self.model._repr_html_() + self.report._repr_html_()


def run(
    dataset: str | os.PathLike[str],
    *,
    out: str | os.PathLike[str] | None = None,
    html: bool = True,
    save: str | os.PathLike[str] | None = None,
    save_aggregator: str = "",
    with_weights: bool = False,
    with_examples: bool = False,
    licence: str = "",
    overwrite: bool = False,
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
    html : bool, default True
        Whether to make report.html in `out`.
    save : str or os.PathLike, optional
        Then fit a model and write it to this file, such as "birds.stackkit"; see `train`.
    save_aggregator : str, optional
        Aggregator of the saved model; by default the first one.
    with_weights, with_examples, licence
        Of the saved model, as for `train`.
    overwrite : bool, default False
        Replace an existing report in `out`, and an existing file `save`.
    reporter : Reporter, optional
        Receives progress; by default nothing is shown.
    **options
        The options of `stackkit run`, with underscores: recipe, backbones, learner, aggregator,
        baseline, cv, split, holdout, shuffle, repeats, group_duplicates, inner_cv, refit,
        learning_curve, jobs, seed, strict, store, feature_dtype, device, threads. Several
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
    if not save and (without := next(filter(of_model.get, of_model), None)):
        name = "save_aggregator" if without == "aggregator" else without
        raise UsageError(f"{name} needs save, the file of the model")
    registry = installed()
    recipe = recipe_of(dataset_text(dataset, registry), options, signature(run).parameters)
    store = store_of(options)
    folder, saving = user_path(out) if out else None, None
    if save:
        saving = Saving(path=user_path(save), overwrite=overwrite, **of_model)
        saving.check()
    predictions = PredictionsFile()
    steps = Steps(outputs=Outputs(fits=fits_dir(), folder=folder, predictions=predictions))
    task = (recipe, registry, store, reporter or SilentReporter(), steps)
    with ExitStack() as held:
        if folder:
            held.enter_context(report_file.reserved(folder, overwrite=overwrite))
        trained = saving.train(*task) if saving else None
        found = trained.found if trained else carry_out(*task)
        try:
            if saving and trained:
                found = replace(found, report=saving.save(trained))
        finally:  # a model that cannot be written must not cost the report
            _record(found, predictions, folder, task[3], overwrite=overwrite, html=html)
    model = LoadedModel(trained.model, device=recipe.device, threads=recipe.threads) if trained else None
    return RunReport(found, model)


def _record(
    found: Finished,
    predictions: PredictionsFile,
    folder: Path | None,
    reporter: Reporter,
    *,
    overwrite: bool,
    html: bool,
) -> None:
    """Write what the command writes."""
    if folder is None:
        keep(found, reporter.message)
        return
    write_files(found, predictions, folder, overwrite=overwrite, tell=reporter.message)
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
