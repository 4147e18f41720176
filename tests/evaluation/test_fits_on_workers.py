"""Fits on workers of an executor: the same bits as in this process, and nothing travels twice."""

import gc
import os
import re
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from contextlib import closing
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from textwrap import dedent
from typing import Any

import numpy as np
import pytest
from support.making import blobs
from support.pickling import PicklingExecutor

from stackkit.api.errors import ExecutorError, PluginError, WorkerDiedError
from stackkit.api.reporter import SilentReporter
from stackkit.evaluation.classifiers import checked
from stackkit.evaluation.comparison import Comparison
from stackkit.evaluation.features import Features
from stackkit.evaluation.fit import FitResult
from stackkit.evaluation.fit_cache import FitCache
from stackkit.evaluation.fit_plan import FitPlan
from stackkit.evaluation.folds import stratified_folds
from stackkit.evaluation.learner_fit import LearnerFit
from stackkit.evaluation.learning_curve import learning_curve
from stackkit.evaluation.on_workers.components import component_of, reference_to
from stackkit.evaluation.scheduler import Batch, FitScheduler
from stackkit.host.configured_component import ConfiguredComponent
from stackkit.host.host import load_host
from stackkit.host.registry import Registry
from stackkit.model.fitting import StackFitting
from stackkit.store.joined_rows import JoinedRows
from stackkit.utils.versions import source_digest
from stackkit_plugins.processes.executor import ProcessesExecutor

LEARNERS = """
    import os, random, signal, sys, warnings
    from pathlib import Path
    import numpy as np
    from sklearn.linear_model import LogisticRegression
    from stackkit.api import LearnerSpec, Option, PluginError, hookimpl

    FOLDER = Option(name="folder", default="", help="")

    @hookimpl
    def stackkit_learners():
        names = ("Dice", "Failing", "Exits", "Interrupts", "Old", "Deadly", "Stubborn", "Counted")
        return [
            LearnerSpec(name=n.lower(), summary="", factory=f"far_learners:{n}", options=(FOLDER,))
            for n in names
        ]

    class TooLate(PluginError):
        def __init__(self, hour, minute):
            super().__init__(f"it is {hour}:{minute}")

    class Plain(LogisticRegression):
        def __init__(self, folder=""):
            self.folder = folder
            super().__init__()

    class Counted(Plain):
        def fit(self, X, y):
            (Path(self.folder) / f"{os.getpid()} {len(os.listdir(self.folder))}").touch()
            return super().fit(X, y)

    class Dice(Plain):
        def predict(self, X):
            return (np.random.randint(3, size=len(X)) + random.randrange(3)) % 3

    class Failing(Plain):
        def fit(self, X, y):
            raise TooLate(23, 59)

    class Exits(Plain):
        def fit(self, X, y):
            sys.exit(3)

    class Interrupts(Plain):
        def fit(self, X, y):
            raise KeyboardInterrupt

    class Old(Plain):
        def fit(self, X, y):
            warnings.warn("this learner is old", FutureWarning)
            return super().fit(X, y)

    class Deadly(Plain):
        def fit(self, X, y):
            os.kill(os.getpid(), signal.SIGKILL)

    class Stubborn(Plain):
        '''Ends the first worker that fits it.'''
        def fit(self, X, y):
            marker = Path(self.folder) / "dead"
            if not marker.exists():
                marker.touch()
                os.kill(os.getpid(), signal.SIGKILL)
            return super().fit(X, y)
"""

X, LABELS = blobs()
LABELS = (LABELS - 1) // 3
VIEWS = [X, np.ascontiguousarray(X[:, ::-1]), X + np.float32(0.1)]
GROUPS = np.arange(120) // 2
AGGREGATORS = (
    "average-svm,majority-vote,soft-vote,geometric-vote,weighted-vote,stacked-logistic,"
    "ensemble-selection,concat"
)
CHEAP: dict[str, Any] = {"learners": ("lda",), "baselines": (), "aggregators": "soft-vote"}


@pytest.fixture(scope="module")
def plugin(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    file = tmp_path_factory.mktemp("plugin") / "far_learners.py"
    file.write_text(dedent(LEARNERS))
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("STACKKIT_PLUGINS", "")
        patch.setenv("STACKKIT_PLUGIN_FILES", str(file))
        yield file


@pytest.fixture(scope="module")
def registry(plugin: Path) -> Registry:
    return Registry(host=load_host())


@pytest.fixture(scope="module")
def processes(plugin: Path) -> Iterator[ProcessesExecutor]:
    """A real worker process."""
    with closing(ProcessesExecutor(workers=1)) as executor:
        yield executor


@pytest.fixture
def far() -> PicklingExecutor:
    return PicklingExecutor()


def scheduler(executor: Any = None, folder: Path | None = None, **settings: Any) -> FitScheduler:
    cache = FitCache(folder)
    return FitScheduler(cache=cache, reporter=SilentReporter(), executor=executor, **settings)


def compare(registry: Registry, executor: Any = None, **changed: Any) -> Comparison:
    """Every kind of fit: several learners and aggregators on three views, on groups of images."""
    learners = changed.pop("learners", ("logistic:views=auto", "lda", "ridge"))
    baselines = changed.pop("baselines", ("linear-svm", "prototypes", "logistic-ovr", "calibrated-svm"))
    aggregators = changed.pop("aggregators", AGGREGATORS)
    folder = changed.pop("folder", None)
    groups = changed.pop("groups", GROUPS)
    plan = FitPlan(
        classifiers=checked(
            registry.several("learner", learners),
            registry.several("learner", baselines),
            registry.several("aggregator", aggregators.split(",")),
        ),
        features=[Features.from_matrices("a", VIEWS), Features.from_matrix("b", X[:, :9])],
        labels=LABELS,
        n_classes=3,
        inner_cv=2,
        seed=0,
        groups=groups,
        **changed,
    )
    folds = stratified_folds(LABELS, "abc", 2, shuffle=True, seed=0, groups=groups)
    return Comparison(fit_plan=plan, folds=folds, scheduler=scheduler(executor, folder))


def bits(result: FitResult) -> dict[str, Any]:
    """Everything that a fit found, to the last bit, but not the time that it took."""
    names = ("labels", "probabilities", "in_sample", "scores")
    arrays = {name: getattr(result, name) for name in names}
    others = {name: getattr(result, name) for name in ("converged", "probabilistic", "views")}
    return others | {
        name: None if each is None else (str(each.dtype), each.shape, each.tobytes())
        for name, each in arrays.items()
    }


def found_by(comparison: Comparison) -> tuple[list[Any], dict[str, dict[str, Any]]]:
    """Return the table, and the results of all fits by their digests."""
    by_digest: dict[str, dict[str, Any]] = {}
    comparison = replace(
        comparison,
        on_fold=lambda outcome: by_digest.update(
            {fit.digest: bits(result) for fit, result in outcome.by_fit.items()}
        ),
    )
    return comparison.run(), by_digest


@pytest.mark.parametrize(
    "changed",
    [{}, {"refit": False, **CHEAP, "aggregators": "stacked-logistic,ensemble-selection"}],
    ids=["refit", "averaged"],
)
def test_all_learners_and_aggregators_give_the_same_bits_from_pickles(registry, far, changed):
    expected = found_by(compare(registry, **changed))
    assert found_by(compare(registry, far, **changed)) == expected
    assert len(far.tasks) == len(expected[1])


def test_processes_give_the_same_bits_and_each_fit_uses_one_thread(registry, processes):
    """Also fits that draw from global generators."""
    learners = ("logistic:max_iter=5", "lda")
    names = "average-svm,stacked-logistic,concat"
    changed = {"learners": learners, "baselines": ("dice", "linear-svm"), "aggregators": names}
    assert found_by(compare(registry, processes, **changed)) == found_by(compare(registry, **changed))


def test_a_learning_curve_from_workers_is_the_same(registry, far):
    changed = CHEAP | {"groups": None}
    curves = []
    for executor in (None, far):
        comparison = compare(registry, executor, **changed)
        curves.append(learning_curve(comparison, comparison.run()))
    assert curves[0] == curves[1]
    assert len(far.shared) < len(far.tasks)


def test_a_kept_stack_comes_back_as_states_and_answers_alike(registry, far):
    """One for saving: the aggregator and its learners are fitted on workers, and restored here."""
    changed = {"learners": ("logistic",), "baselines": (), "groups": None}
    for name in ("average-svm", "concat"):
        stacks = []
        for executor in (None, far):
            comparison = compare(registry, executor, aggregators=name, **changed)
            above = comparison.fit_plan.classifiers.aggregators[0]
            fitting = StackFitting(chosen=above, official=False)
            prepared = fitting.prepared(comparison)
            prepared.run()
            stacks.append(fitting.finish(prepared).stack)
        here, there = (stack.answer(comparison.fit_plan.features) for stack in stacks)
        assert np.array_equal(here.scores, there.scores)
        assert np.array_equal(here.labels, there.labels)
    assert far.tasks


def one_fit(
    learner: ConfiguredComponent, features: Features | None = None, **changed: Any
) -> LearnerFit:
    rows = np.arange(120)
    return LearnerFit(
        **{
            "learner": learner,
            "features": features or Features.from_matrix("all", X),
            "labels": LABELS,
            "n_classes": 3,
            "train": rows[:80],
            "test": rows[80:],
            **changed,
        }
    )


def run_fits(planned: FitScheduler, fits: list[LearnerFit]) -> list[FitResult]:
    found: list[FitResult] = []
    planned.run([Batch(fits=fits, then=found.extend, where="fold 4")])
    return found


def many_rows(folder: Path | None = None, n_parts: int = 1) -> Features:
    """Features of 4,000 images and of 80 numbers each, 1.3 MB, in memory or in parts of a file."""
    matrix = np.random.default_rng(0).normal(size=(4000, 80)).astype(np.float32)
    if folder is None:
        return Features.from_matrix("many", matrix)
    (folder / "features").write_bytes(b"a header" + matrix.tobytes())
    starts = np.linspace(0, 4000, n_parts + 1).astype(int)
    parts = [
        np.asarray(np.memmap(folder / "features", "<f4", "r", 8 + int(a) * 320, (int(b - a), 80)))
        for a, b in pairwise(starts)
    ]
    return Features.from_matrices("many", [JoinedRows(parts) if n_parts > 1 else parts[0]])


@pytest.mark.parametrize("where", ["memory", "file", "parts"])
def test_a_task_is_its_rows_and_a_few_kilobytes(registry, far, tmp_path, where):
    n_parts = 3 if where == "parts" else 1
    features = many_rows(None if where == "memory" else tmp_path, n_parts)
    cheap, labels = registry.one("learner", "prototypes"), np.arange(4000) % 3
    common = {"labels": labels, "groups": np.arange(4000)}
    rows = [np.delete(np.arange(4000), np.arange(k, 4000, 8)) for k in range(4)]
    fits = [one_fit(cheap, features, train=each, test=each[:9], **common) for each in rows]
    expected = run_fits(scheduler(), fits)
    found = run_fits(scheduler(far), fits)
    assert list(map(bits, found)) == list(map(bits, expected))
    assert max(far.tasks) < 8 * 3500 + 6_000
    once = [32_000] * 3 + [4000 * 80 * 4] * (where == "memory")  # labels, groups, used rows
    assert sorted(far.shared) == pytest.approx(once, rel=0.05)


@pytest.mark.parametrize(("harm", "n_parts"), [("gone", 1), ("other rows", 1), ("gone", 2)])
def test_features_travel_once_if_a_worker_does_not_see_the_same_file(
    registry, far, tmp_path, harm, n_parts
):
    features = many_rows(tmp_path, n_parts)
    cheap, labels = registry.one("learner", "prototypes"), np.arange(4000) % 3
    fits = [one_fit(cheap, features, labels=labels, train=np.arange(k, 900)) for k in range(3)]
    expected = run_fits(scheduler(), fits)
    _ = features.digest
    content = bytearray((tmp_path / "features").read_bytes())
    (tmp_path / "features").unlink()  # what is mapped here stays what it was
    if harm == "other rows":
        content[1_000_000] ^= 1
        (tmp_path / "features").write_bytes(content)
    found = run_fits(scheduler(far), fits)
    assert list(map(bits, found)) == list(map(bits, expected))
    assert sum(size for size in far.shared if size > 100_000) == pytest.approx(1_280_000, rel=0.01)


def test_a_part_of_a_mapped_file_is_not_taken_for_the_whole(registry, far, tmp_path):
    whole = many_rows(tmp_path).matrices[0]
    parts = [whole[5:], whole[:100], whole[:, :20], whole[::2]]
    lda = registry.one("learner", "lda")
    for part in parts:
        features = Features.from_matrix("part", part)
        fit = one_fit(lda, features, train=np.arange(60), test=np.arange(60, 100))
        fit = replace(fit, labels=np.arange(len(part)) % 3)
        assert bits(run_fits(scheduler(far), [fit])[0]) == bits(run_fits(scheduler(), [fit])[0])


def test_the_probabilities_of_a_fold_are_released_when_it_is_complete(registry, far):
    comparison = compare(registry, far, **CHEAP)
    known = comparison.scheduler.shared._known
    most: list[int] = []
    replace(comparison, on_fold=lambda outcome: most.append(len(known))).run()
    del comparison
    gc.collect()
    assert min(most) > len(known)


def test_only_the_driver_reads_and_fills_the_cache_and_a_rerun_fits_nothing(registry, far, tmp_path):
    first = compare(registry, far, folder=tmp_path, **CHEAP).run()
    n_tasks = len(far.tasks)
    assert len(list(tmp_path.rglob("*.npz"))) == n_tasks
    assert compare(registry, far, folder=tmp_path, **CHEAP).run() == first
    assert compare(registry, folder=tmp_path, **CHEAP).run() == first, (
        "fits of workers and threads are the same"
    )
    assert len(far.tasks) == n_tasks


def test_a_kept_classifier_without_a_state_is_fitted_here(registry, far):
    kept = one_fit(registry.one("learner", "old"), keep=True)
    with pytest.warns(FutureWarning):
        (result,) = run_fits(scheduler(far), [kept])
    assert kept.kept.classifier(result).predict(X[:1]).shape == (1,)
    assert not far.tasks


def test_warnings_and_convergence_come_back(registry, far, recwarn):
    old, hurried = registry.one("learner", "old"), registry.one("learner", "logistic:max_iter=1")
    fits = [one_fit(old), one_fit(old, train=np.arange(70)), one_fit(hurried)]
    results = run_fits(scheduler(far), fits)
    assert [result.converged for result in results] == [True, True, False]
    assert {str(each.message) for each in recwarn} == {"this learner is old"}
    assert {each.category for each in recwarn} == {FutureWarning}
    assert all(result.seconds for result in results)


@pytest.mark.parametrize(
    ("name", "text"),
    [("failing", "it is 23:59"), ("exits", "SystemExit: 3"), ("interrupts", "KeyboardInterrupt")],
)
def test_an_error_of_a_plugin_keeps_its_kind_and_its_text(registry, far, tmp_path, name, text):
    fits = [one_fit(registry.one("learner", each)) for each in ("lda", name)]
    with pytest.raises(PluginError, match=text) as there:
        run_fits(scheduler(far, tmp_path), fits)
    assert FitCache(tmp_path).load(fits[0]) is not None
    if name != "interrupts":
        with pytest.raises(PluginError) as here:
            run_fits(scheduler(), fits)
        # Only a first import can change what stackkit restores, and it is said then.
        assert str(here.value).startswith(str(there.value).partition("; the plugin's import")[0])
    assert type(there.value) is PluginError
    assert "far_learners.py" in str(there.value.__cause__)


def of_another(learner: ConfiguredComponent, **changed: Any) -> ConfiguredComponent:
    return replace(learner, component=replace(learner.component, **changed))


@pytest.mark.parametrize(
    ("changed", "text"),
    [
        ({"plugin": "nets", "distribution": "stackkit-nets", "version": "1.2"},
         "has no learner nets/lda: run there: pip install stackkit-nets==1.2; then restart it"),
        ({"version": "9"}, "has learner lda/lda of stackkit .*, and this run uses stackkit 9"),
        ({"distribution": "numpy"}, "has learner lda/lda of stackkit .*, and this run uses numpy"),
        ({"altered": "abc"}, "has other plugins that replace functions"),
    ],
    ids=["missing", "version", "distribution", "altered"],
)  # fmt: skip
def test_a_worker_with_another_plugin_is_named_with_a_remedy(registry, far, changed, text):
    learner = of_another(registry.one("learner", "lda"), **changed)
    with pytest.raises(ExecutorError, match=f"^the worker with process {os.getpid()} on .* {text}"):
        run_fits(scheduler(far), [one_fit(learner)])


def test_a_worker_with_other_code_of_stackkit_fits_nothing(registry):
    ours = reference_to(registry.one("learner", "lda").component)
    theirs = replace(ours, packages=tuple(re.sub(r"code \w+", "code 0", each) for each in ours.packages))
    text = (
        r"has stackkit \S+ with code \w+, and this run uses stackkit \S+ with code 0: install the same"
    )
    with pytest.raises(ExecutorError, match=text):
        component_of(theirs)


def test_a_single_file_that_has_changed_is_loaded_again(registry, far, plugin, tmp_path):
    before = plugin.read_text()
    fit = one_fit(registry.one("learner", "counted:folder=" + str(tmp_path)))
    run_fits(scheduler(far), [fit])
    try:
        plugin.write_text(before + "\n# edited\n")
        edited = Registry(host=load_host()).one("learner", "counted:folder=" + str(tmp_path))
        run_fits(scheduler(far), [one_fit(edited)])
        plugin.write_text(before + "\n# edited again\n")
        with pytest.raises(ExecutorError, match=r"has another .*far_learners\.py: copy the one of this"):
            run_fits(scheduler(far), [one_fit(of_another(edited, code="0"))])
    finally:
        plugin.write_text(before)
    assert len(list(tmp_path.iterdir())) == 2


def test_a_worker_that_has_read_an_earlier_form_of_a_single_file_finds_the_edited_one(plugin, tmp_path):
    before, edited = plugin.read_text(), plugin.read_text() + "\n# edited\n"
    try:
        references = []
        for text in (before, edited):  # what two commands say, each a process of its own
            plugin.write_text(text)
            source_digest.cache_clear()
            learner = Registry(host=load_host()).one("learner", "counted").component
            references.append(reference_to(learner))
        plugin.write_text(before)
        source_digest.cache_clear()
        component_of(references[0])
        plugin.write_text(edited)
        assert component_of(references[1]).code == references[1].code
    finally:
        plugin.write_text(before)


def test_a_fit_whose_worker_dies_is_run_by_another(registry, processes, tmp_path):
    stubborn = one_fit(registry.one("learner", f"stubborn:folder={tmp_path}"))
    others = [one_fit(registry.one("learner", "lda"), train=np.arange(k, 80)) for k in range(2)]
    found = run_fits(scheduler(processes, tmp_path / "fits"), [others[0], stubborn, others[1]])
    assert [result.labels.shape for result in found] == [(40,)] * 3
    assert (tmp_path / "dead").exists()


@pytest.mark.slow
def test_a_fit_that_ends_every_worker_is_named_and_no_other_one(registry, processes, tmp_path):
    deadly = one_fit(registry.one("learner", "deadly"))
    others = [one_fit(registry.one("learner", "lda"), train=np.arange(k, 80)) for k in range(3)]
    text = "^learner deadly on all in fold 4: 3 workers ended while they fitted it, .*(SIGKILL|signal 9)"
    with pytest.raises(WorkerDiedError, match=text):
        run_fits(scheduler(processes, tmp_path), [others[0], deadly, *others[1:]])
    assert FitCache(tmp_path).load(others[0])


class Broken(PicklingExecutor):
    """An executor whose tasks fail although no worker dies, or whose engine does."""

    def __init__(self, error: Exception, times: int) -> None:
        super().__init__()
        self.error, self.times = error, times

    def submit(self, function: Callable[..., Any], /, *arguments: Any) -> Future[Any]:
        future = super().submit(function, *arguments)
        if len(self.tasks) > self.times:
            return future
        failed = Future[Any]()
        failed.set_exception(self.error)
        return failed


def test_a_task_that_fails_is_tried_again_and_an_engine_that_fails_is_not(registry):
    fit = one_fit(registry.one("learner", "lda"))
    unlucky = Broken(MemoryError("no room"), times=2)
    assert len(run_fits(scheduler(unlucky), [fit])) == 1
    text = "^learner lda on all in fold 4: 3 attempts on workers failed: MemoryError: no room"
    with pytest.raises(ExecutorError, match=text):
        run_fits(scheduler(Broken(MemoryError("no room"), times=3)), [fit])
    text = "^learner lda on all in fold 4: 3 workers ended while they fitted it, the last one with no"
    with pytest.raises(WorkerDiedError, match=text):
        run_fits(scheduler(Broken(WorkerDiedError("killed"), times=3)), [fit])
    gone = Broken(ExecutorError("the scheduler does not answer"), times=1)
    with pytest.raises(ExecutorError, match=r"^the scheduler does not answer"):
        run_fits(scheduler(gone), [fit])
    assert len(gone.tasks) == 1


def test_ctrl_c_takes_the_fits_in_flight_and_begins_no_other(registry, far, tmp_path):
    def stop() -> None:
        raise KeyboardInterrupt

    fits = [one_fit(registry.one("learner", "lda"), train=np.arange(k, 80)) for k in range(12)]
    with pytest.raises(KeyboardInterrupt):
        run_fits(scheduler(far, tmp_path, stop_if_asked=stop), fits)
    cached = [fit for fit in fits if FitCache(tmp_path).load(fit)]
    assert cached == fits[:4], "two workers, each with a fit and one ahead"
