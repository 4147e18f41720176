"""Each check of an aggregator finds a toy with one fault, and no other check does."""

from textwrap import dedent

import pytest
from support.broken_components import ONNX_FIELD, STATE, STATE_FIELDS

from stackkit.testing.checks import aggregator

BROKEN = {
    "fit-on": """
        class Made(Sound):
            fit_on = "held-out"
    """,
    "recovers-labels": """
        class Made(Sound):
            def predict(self, inputs):
                found = super().predict(inputs)
                return np.where(found == 3, 4, found)
    """,
    "whole-labels": """
        class Made(Sound):
            def predict(self, inputs):
                return super().predict(inputs).astype(float)
    """,
    "chance-on-shuffled-labels": """
        class Made(Sound):
            def fit(self, inputs, labels):
                self.known = labels.copy()
                return super().fit(inputs, labels)

            def predict(self, inputs):
                super().predict(inputs)
                return self.known
    """,
    "row-independence": """
        class Made(Sound):
            def predict(self, inputs):
                return super().predict(inputs - inputs.mean(axis=1, keepdims=True))
    """,
    "absent-class": """
        class Made(Sound):
            def fit(self, inputs, labels):
                self.shares = np.bincount(labels, minlength=inputs.shape[2]) / len(labels)
                return super().fit(inputs, labels)

            def predict(self, inputs):
                super().predict(inputs)
                return self.names[(inputs.mean(axis=0) / self.shares).argmax(axis=1)]
    """,
    "order-of-learners": """
        class Made(Sound):
            def fit(self, inputs, labels):
                return super().fit(inputs[:1], labels)

            def predict(self, inputs):
                return super().predict(inputs[:1])
    """,
    "input-untouched": """
        class Made(Sound):
            def predict(self, inputs):
                found = super().predict(inputs)
                inputs *= 0.5
                return found
    """,
    "repeatability": """
        class Made(Sound):
            def fit(self, inputs, labels):
                super().fit(inputs, labels)
                self.noise = np.random.normal(size=5)
                return self

            def predict(self, inputs):
                super().predict(inputs)
                return self.names[(inputs.mean(axis=0) + self.noise / 50).argmax(axis=1)]
    """,
    "surest-label": """
        class Made(Sound):
            def predict_proba(self, inputs):
                return inputs.min(axis=0)
    """,
    "runs": """
        class Made(Sound):
            def fit(self, inputs, labels):
                if inputs.shape[2] == 3:
                    raise RuntimeError("no three classes")
                return super().fit(inputs, labels)
    """,
}

ON_FEATURES = """
    class Sound:
        fit_on = "features"

        def fit(self, inputs, labels, learner):
            self.learner = learner.fit(np.hstack(inputs), labels)

        def predict(self, inputs):
            if not hasattr(self, "learner"):
                raise ValueError("call fit first")
            return self.learner.predict(np.hstack(inputs))
"""

SAVED = "class Made(Sound):\n    pass\n\n" + dedent(STATE["aggregator"])

BROKEN_STATES = {
    "saved-state": """
        def state_of(fitted):
            return State(arrays={"names": fitted.names.astype(object)})
    """,
    "restored-answers": """
        def state_of(fitted):
            return State(arrays={"names": fitted.names[::-1].copy()})
    """,
    "damaged-state": """
        def restore(state):
            made = Made()
            made.names = state.arrays.get("names", np.arange(5))
            return made
    """,
    "onnx-answers": """
        Made.decision_function = lambda self, inputs: inputs.mean(axis=0)

        def onnx_of(nodes, state, inputs, *, n_classes):
            return nodes.add("ReduceMax", inputs, np.array([0]), keepdims=0)
    """,
}


def test_a_sound_aggregator_passes(toy, failed):
    toy("aggregator")
    assert failed() == {}


def test_every_check_has_its_toy():
    others = {"learns-nothing"}  # below
    assert set(BROKEN) | set(BROKEN_STATES) | others == {check.name for check in aggregator.CHECKS}


@pytest.mark.parametrize("check", BROKEN)
def test_only_the_faulty_property_is_found(toy, failed, check):
    toy("aggregator", BROKEN[check])
    assert list(failed()) == [check]


def test_one_learner_must_be_enough(toy, failed):
    toy(
        "aggregator",
        """
        class Made(Sound):
            def predict(self, inputs):
                super().predict(inputs)
                cautious = inputs.mean(axis=0) - 0.1 * inputs.std(axis=0, ddof=1)
                return self.names[cautious.argmax(axis=1)]
    """,
    )
    assert failed() == {"recovers-labels": "if 1 learners are sure of the labels, 20% are right"}


@pytest.mark.parametrize("method", ["fit", "predict"])
def test_an_aggregator_that_does_not_work_at_all_is_one_fault(toy, failed, method):
    toy(
        "aggregator",
        f"class Made(Sound):\n    def {method}(self, *given):\n        raise KeyError('w')\n",
    )
    assert failed() == {"whole-labels": f"{method} raised KeyError: 'w'"}


def test_scores_instead_of_labels_are_one_fault(toy, failed):
    toy(
        "aggregator",
        """
        class Made(Sound):
            def predict(self, inputs):
                super().predict(inputs)
                return inputs.mean(axis=0)
    """,
    )
    assert list(failed()) == ["whole-labels"]


def test_what_learns_although_its_spec_says_that_it_does_not_is_found(toy, failed):
    code = """
        class Made(Sound):
            def fit(self, inputs, labels):
                self.weights = inputs[:, np.arange(len(labels)), labels].mean(axis=1) ** 9
                return super().fit(inputs, labels)

            def predict(self, inputs):
                super().predict(inputs)
                return self.names[np.average(inputs, axis=0, weights=self.weights).argmax(axis=1)]
    """
    toy("aggregator", code, learns="False")
    assert list(failed()) == ["learns-nothing"]


def test_a_declared_order_passes(toy, failed):
    toy(
        "aggregator",
        BROKEN["order-of-learners"].replace("(Sound):", "(Sound):\n            ordered = True\n"),
    )
    assert failed() == {}


def test_an_aggregator_that_learns_nothing_may_predict_at_once(toy, failed):
    toy(
        "aggregator",
        """
        class Made:
            fit_on = "in-sample"

            def fit(self, inputs, labels):
                pass

            def predict(self, inputs):
                return inputs.mean(axis=0).argmax(axis=1)
    """,
    )
    assert failed() == {}


@pytest.mark.parametrize("fault", ["", "recovers-labels", "input-untouched"])
def test_an_aggregator_on_features_gets_features_and_a_learner(toy, failed, fault):
    code = {
        "": "class Made(Sound):\n    pass\n",
        "recovers-labels": "class Made(Sound):\n"
        "    def predict(self, inputs):\n"
        "        return super().predict(inputs) // 2\n",
        "input-untouched": "class Made(Sound):\n"
        "    def predict(self, inputs):\n"
        "        found = super().predict(inputs)\n"
        "        inputs[0] /= 2\n"
        "        return found\n",
    }[fault]
    toy("aggregator", ON_FEATURES.replace("\n    ", "\n") + "\n" + code)
    assert list(failed()) == ([fault] if fault else [])


def test_a_sound_aggregator_that_can_be_saved_passes(toy, failed):
    toy("aggregator", SAVED, **STATE_FIELDS)
    assert failed() == {}


@pytest.mark.parametrize("check", BROKEN_STATES)
def test_only_the_fault_of_a_state_is_found(toy, failed, check):
    more = ONNX_FIELD if check == "onnx-answers" else {}
    toy("aggregator", SAVED + dedent(BROKEN_STATES[check]), **STATE_FIELDS, **more)
    assert list(failed()) == [check]
