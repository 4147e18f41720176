"""Each check of a learner finds a toy with one fault, and no other check does."""

from textwrap import dedent

import pytest
from support.broken_components import ONNX_FIELD, STATE, STATE_FIELDS

from stackkit.testing.checks import learner

BROKEN = {
    "declared-probabilities": """
        class Made(Sound):
            predict_proba = property()  # as scikit-learn hides a method that an option switches off

            def decision_function(self, X):
                return Sound.predict_proba(self, X)
    """,
    "probability-rows": """
        class Made(Sound):
            def predict_proba(self, X):  # softmax without its division: right where one class is sure
                shares = super().predict_proba(X)
                return shares / shares.max(axis=1, keepdims=True)
    """,
    "column-order": """
        class Made(Sound):
            def predict_proba(self, X):
                return super().predict_proba(X)[:, ::-1]
    """,
    "whole-labels": """
        class Made(Sound):
            def predict(self, X):
                return super().predict(X).astype(float)
    """,
    "row-independence": """
        class Made(Sound):
            def fit(self, X, y):
                self.centre_ = X.mean(axis=0)
                return super().fit(X, y)

            def predict_proba(self, X):  # as good as right where a fold's rows are like any other's
                moved = X - X.mean(axis=0) + self.centre_ if hasattr(self, "centre_") else X
                return super().predict_proba(moved)
    """,
    "learns": """
        class Made(Sound):
            def predict(self, X):
                return np.where(len(X) == 40, 0, super().predict(X))
    """,
    "clonable": """
        class Made(Sound):
            def __init__(self, *, seed=0):
                self.seed = [seed]  # clone compares what it gave with what it finds
    """,
    "same-seed-same-result": """
        class Made(Sound):
            def fit(self, X, y):
                some = np.random.permutation(len(X))[:100]
                return super().fit(X[some], y[some])
    """,
    "label-gaps": """
        class Made(Sound):
            def predict(self, X):
                return self.predict_proba(X).argmax(axis=1)
    """,
    "input-untouched": """
        class Made(Sound):
            def fit(self, X, y):
                super().fit(X, y)
                X -= X.mean(axis=0)
                return self
    """,
    "stored-rows": """
        class Made(Sound):
            def fit_stored(self, rows):  # the first portion alone
                some = np.arange(min(60, len(rows.labels)))
                return self.fit(rows.read(some), rows.labels[some])
    """,
    "runs": """
        class Made(Sound):
            def fit(self, X, y):
                if X.shape[0] < 80:
                    raise RuntimeError("too few rows")
                return super().fit(X, y)
    """,
}

SAVED = "class Made(Sound):\n    pass\n\n" + dedent(STATE["learner"])

BROKEN_STATES = {
    "saved-state": """
        def state_of(fitted):
            return State(values={"classes": fitted.classes_}, arrays={"means": fitted.means_})
    """,
    "restored-answers": """
        def state_of(fitted):
            means = fitted.means_.astype(np.float16)
            return State(arrays={"classes": fitted.classes_, "means": means})
    """,
    "damaged-state": """
        def restore(state, *, seed):
            made = Made(seed=seed)
            made.classes_ = state.arrays["classes"]
            made.means_ = state.arrays.get("means", np.zeros((len(made.classes_), 16)))
            return made
    """,
    "onnx-answers": """
        def onnx_of(nodes, state, X, *, n_classes, seed):
            means = state.arrays["means"].T.astype(np.float64)
            shares = nodes.add("Softmax", nodes.add("MatMul", nodes.cast(X, np.float64), means), axis=1)
            return nodes.in_columns(shares, state.arrays["classes"].tolist(), n_classes)
    """,
}

UPDATED = """
class Made(Sound):
    def __init__(self, *, seed=0, updatable=False):
        super().__init__(seed=seed)
        self.updatable = updatable

    def fit(self, X, y):
        super().fit(X, y)
        self.counts_ = np.array([np.sum(y == label) for label in self.classes_])
        return self

    def fit_stored(self, rows):
        every = np.arange(len(rows.labels))
        return self.fit(rows.read(every), rows.labels)

from stackkit.api import State

def state_of(fitted):
    counts = {"counts": fitted.counts_} if fitted.updatable else {}
    parts = {"statistics": State(arrays=counts)} if counts else {}
    return State(arrays={"classes": fitted.classes_, "means": fitted.means_}, parts=parts)

def restore(state, *, seed, updatable):
    made = Made(seed=seed, updatable=updatable)
    made.classes_, made.means_ = state.arrays["classes"], state.arrays["means"]
    return made

def update(state, X, y, *, seed, updatable):
    if "statistics" not in state.parts:
        raise ValueError("it keeps no counts")
    sums = dict(zip(state.arrays["classes"].tolist(), zip(
        state.arrays["means"], state.parts["statistics"].arrays["counts"])))
    for label in np.unique(y).tolist():
        mean, count = sums.get(label, (0.0, 0))
        rows = X[y == label]
        whole = count + len(rows)
        sums[label] = ((mean * count + rows.sum(axis=0)) / whole, whole)
    made = Made(seed=seed, updatable=True)
    made.classes_ = np.array(sorted(sums))
    made.means_ = np.array([sums[label][0] for label in sorted(sums)])
    made.counts_ = np.array([sums[label][1] for label in sorted(sums)])
    return state_of(made)
"""
UPDATE_FIELDS = {
    **STATE_FIELDS,
    "update": "'toy_work:update'",
    "options": "(Option(name='seed', default=0, help='of the shuffle'),"
    " Option(name='updatable', default=False, help='keep counts'))",
}


def test_a_sound_learner_that_streams_and_is_updated_passes(toy, failed):
    toy("learner", UPDATED, **UPDATE_FIELDS)
    assert failed() == {}


@pytest.mark.parametrize(
    ("old", "new", "found"),
    [
        ("sorted(sums)", "sorted(sums)[:2]", "after an update with label 7, classes_ is [1, 4]"),
        (
            "        raise ValueError",
            "        return state\n        raise ValueError",
            "a state with updatable=false is updated",
        ),
    ],
)
def test_updates_that_forget_or_invent_are_found(toy, failed, old, new, found):
    toy("learner", UPDATED.replace(old, new), **UPDATE_FIELDS)
    assert failed() == {"update": found}


def test_a_sound_learner_passes(toy, failed):
    toy("learner")
    assert failed() == {}


def test_every_check_has_its_toy():
    assert {"update"} | set(BROKEN) | set(BROKEN_STATES) == {check.name for check in learner.CHECKS}


@pytest.mark.parametrize("check", BROKEN)
def test_only_the_faulty_property_is_found(toy, failed, check):
    toy("learner", BROKEN[check])
    assert list(failed()) == [check]


def test_features_that_never_vary_must_do_no_harm(toy, failed):
    toy(
        "learner",
        """
        class Made(Sound):
            def fit(self, X, y):
                self.scale_ = X.std(axis=0)
                return super().fit(X / self.scale_, y)

            def predict_proba(self, X):
                return super().predict_proba(X / getattr(self, "scale_", 1))

            def predict(self, X):
                return super().predict(X / getattr(self, "scale_", 1))
    """,
    )
    (found,) = failed().items()
    assert found[0] == "learns"
    assert "with two more features that never vary" in found[1]


def test_classes_in_another_order_fail(toy, failed):
    toy(
        "learner",
        """
        class Made(Sound):
            def fit(self, X, y):
                super().fit(X, y)
                if len(self.classes_) == 3 and self.classes_[2] == 2:
                    self.classes_, self.means_ = self.classes_[::-1], self.means_[::-1]
                return self
    """,
    )
    assert failed() == {"label-gaps": "fitted on labels [0, 1, 2], classes_ is [2, 1, 0]"}


def test_rows_that_sum_to_less_than_1_everywhere_fail(toy, failed):
    toy(
        "learner",
        """
        class Made(Sound):
            def predict_proba(self, X):
                return super().predict_proba(X) * 0.9
    """,
    )
    assert list(failed()) == ["probability-rows"]


@pytest.mark.parametrize("method", ["fit", "predict"])
def test_a_learner_that_does_not_work_at_all_is_one_fault(toy, failed, method):
    toy("learner", f"class Made(Sound):\n    def {method}(self, *given):\n        raise KeyError('w')\n")
    assert failed() == {"whole-labels": f"{method} raised KeyError: 'w'"}


def test_a_learner_may_declare_that_it_has_no_probabilities(toy, failed):
    toy("learner", BROKEN["declared-probabilities"], probabilities="False")
    assert failed() == {}


def test_a_sound_learner_that_can_be_saved_passes(toy, failed):
    toy("learner", SAVED, **STATE_FIELDS, **ONNX_FIELD)
    assert failed() == {}


@pytest.mark.parametrize("check", BROKEN_STATES)
def test_only_the_fault_of_a_state_is_found(toy, failed, check):
    toy("learner", SAVED + dedent(BROKEN_STATES[check]), **STATE_FIELDS, **ONNX_FIELD)
    assert list(failed()) == [check]


@pytest.mark.parametrize(
    ("code", "found"),
    {
        """
        KEPT = []

        def state_of(fitted):
            KEPT.append(fitted)
            return State(arrays={"classes": fitted.classes_})

        def restore(state, *, seed):
            return KEPT[-1]
        """: "its predict differs after it was restored",
        """
        class Made(Sound):
            def predict_proba(self, X):
                shares = super().predict_proba(X) + self.seed
                return shares / shares.sum(axis=1, keepdims=True)

        def restore(state, *, seed):
            made = Made(seed=0)
            made.classes_, made.means_ = state.arrays["classes"], state.arrays["means"]
            return made
        """: "its predict_proba differs after it was restored with {'seed': 1}",
    }.items(),
)
def test_what_a_module_remembers_and_ignored_options_are_found(toy, failed, code, found):
    toy("learner", SAVED + dedent(code), **STATE_FIELDS)
    assert failed() == {"restored-answers": found}
