"""Each promise of an aggregator is broken by a toy that this check, and no other, finds."""

import pytest

from stackkit.testing.checks import aggregator

BROKEN = {
    "members": """
        class Made(Sound):
            fit = None
    """,
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
                return self.known  # whoever predicts what it was fitted on sees no fault
    """,
    "row-independence": """
        class Made(Sound):
            def predict(self, inputs):
                return super().predict(inputs - inputs.mean(axis=1, keepdims=True))
    """,
    "number-of-learners": """
        class Made(Sound):
            def predict(self, inputs):
                super().predict(inputs)
                cautious = inputs.mean(axis=0) - 0.1 * inputs.std(axis=0, ddof=1)
                return self.names[cautious.argmax(axis=1)]
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
    "refit-forgets": """
        class Made(Sound):
            def fit(self, inputs, labels):
                return self if self.names is not None else super().fit(inputs, labels)
    """,
    "unfitted-use": """
        class Made(Sound):
            def __init__(self):
                self.names = np.arange(5)
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


def test_a_sound_aggregator_breaks_nothing(toy, broken):
    toy("aggregator")
    assert broken() == {}


def test_every_promise_has_its_toy():
    assert list(BROKEN) == [promise.name for promise in aggregator.PROMISES]


@pytest.mark.parametrize("promise", BROKEN)
def test_only_the_broken_promise_is_found(toy, broken, promise):
    toy("aggregator", BROKEN[promise])
    assert list(broken()) == [promise]


@pytest.mark.parametrize("method", ["fit", "predict"])
def test_an_aggregator_that_does_not_work_at_all_is_one_fault(toy, broken, method):
    toy(
        "aggregator",
        f"class Made(Sound):\n    def {method}(self, *given):\n        raise KeyError('w')\n",
    )
    assert broken() == {"whole-labels": f"{method} raised KeyError: 'w'"}


def test_scores_in_the_place_of_labels_are_one_fault(toy, broken):
    toy(
        "aggregator",
        """
        class Made(Sound):
            def predict(self, inputs):
                super().predict(inputs)
                return inputs.mean(axis=0)
    """,
    )
    assert list(broken()) == ["whole-labels"]


def test_an_order_that_is_declared_is_no_fault(toy, broken):
    toy(
        "aggregator",
        BROKEN["order-of-learners"].replace("(Sound):", "(Sound):\n            ordered = True\n"),
    )
    assert broken() == {}


def test_an_aggregator_that_learns_nothing_may_predict_at_once(toy, broken):
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
    assert broken() == {}


@pytest.mark.parametrize("fault", ["", "recovers-labels", "input-untouched"])
def test_an_aggregator_on_features_is_handed_features_and_a_learner(toy, broken, fault):
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
    assert list(broken()) == ([fault] if fault else [])
