"""`stackkit.run` and `stackkit.train`: what the commands do, with a result in Python."""

from __future__ import annotations

import io
import os
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from inspect import signature
from pathlib import Path
from typing import Any, Unpack

from stackkit.api.errors import UsageError
from stackkit.api.paths import fits_dir, user_path
from stackkit.api.reporter import Reporter, SilentReporter
from stackkit.evaluation.metrics import Result, best_single
from stackkit.experiment.evaluation import Outputs
from stackkit.experiment.run import Steps, carry_out
from stackkit.experiment.saving import Saving
from stackkit.library.arguments import RecipeOptions, recipe_of, store_of
from stackkit.library.components import dataset_text, installed
from stackkit.library.frames import data_frame
from stackkit.library.html import listed, percent, table
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

    _report: Report
    model: LoadedModel | None = None

    @property
    def results(self) -> tuple[Result, ...]:
        """The rows of the table, each with `name`, `backbones`, `accuracy`, `interval_95` and more."""
        return self._report.results

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
        """Return the content of report.json."""
        return self._report.document()

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
        text_table.show(self._report, Console(file=written, width=120))
        return written.getvalue().strip()

    def __repr__(self) -> str:
        return f"<RunReport of {len(self.results)} classifiers on {self._report.dataset}>"

    def _repr_html_(self) -> str:
        found = self._report
        title = f"{found.dataset}: {found.n_images:,} images, {len(found.classes)} classes; "
        heads = ["classifier", "on", "accuracy", "95 % interval"]
        rows = [
            [each.name, ", ".join(each.backbones), percent(each.accuracy), _interval(each.interval_95)]
            for each in found.results
        ]
        return table(heads, rows, title + found.protocol.title) + listed(found.notes)


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
        Folder for report.json, predictions.csv and probabilities.h5.
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
        report = trained.report if trained else carry_out(*task).report
        try:
            if saving and trained:
                report = saving.save(trained)
        finally:  # a model that cannot be written must not cost the report
            if folder:
                report_file.write(report, folder, overwrite=overwrite)
                predictions.write(folder)
    model = LoadedModel(trained.model, device=recipe.device, threads=recipe.threads) if trained else None
    return RunReport(report, model)


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
    trained = saving.train(recipe, registry, store, reporter or SilentReporter(), steps)
    report = RunReport(saving.save(trained))
    model = LoadedModel(trained.model, device=recipe.device, threads=recipe.threads)
    return TrainedModel(report, model, saving.path)


def _interval(ends: Sequence[float]) -> str:
    return f"[{', '.join(f'{100 * end:.1f}' for end in ends)}]"
