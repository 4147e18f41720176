"""What a component says or returns in a run is shown with the component's name."""

from pathlib import Path

import pytest
from support.commands import Command, chosen
from support.installing import Site

CODE = """
    import numpy as np
    from PIL import Image
    from sklearn.linear_model import LogisticRegression
    from stackkit.api import *

    COUNT = (Option(name="n", default=12, help="number of images or rows"),)

    def specs(kind, *names):
        return [kind(name=n, summary="", factory=f"odd:{n.title()}", options=COUNT) for n in names]

    @hookimpl
    def stackkit_datasets(): return specs(DatasetSpec, "dots")
    @hookimpl
    def stackkit_backbones(): return specs(BackboneSpec, "means", "blind")
    @hookimpl
    def stackkit_learners(): return specs(LearnerSpec, "torn", "lazy")
    @hookimpl
    def stackkit_aggregators(): return specs(AggregatorSpec, "most")

    def check(n):
        if n < 1:
            raise UsageError(f"n must be at least 1, got {n}")

    class Dots:
        classes, notes = ("dark", "light"), ()
        def __init__(self, *, n):
            check(n)
            labels = np.arange(n) % 2
            self.samples = [Sample(id=f"dot {i}", label=labels[i]) for i in range(n)]
        def image(self, i): return Image.new("RGB", (8, 8), (i, 0, i % 2 * 90))
        def fingerprint(self, i): return f"dot {i}"

    class Means:
        image_size, feature_dim, revision, trained = 8, 3, "1", True
        def __init__(self, *, n): check(n)
        def extract(self, images): return images.mean(axis=(1, 2)).astype(np.float32)
    class Blind(Means):
        def extract(self, images): raise ExtractionError("no light")

    class Torn(LogisticRegression):
        '''Predicts the other class for the first `n` rows of each call.'''
        def __init__(self, *, n=12):
            check(n)
            super().__init__()
            self.n = n
        def predict(self, X):
            labels = super().predict(X)
            labels[:self.n] = 1 - labels[:self.n]
            return labels
    class Lazy(Torn):
        def fit(self, X, y): raise UsageError("not today")

    class Most:
        fit_on = "in-sample"
        def __init__(self, *, n): check(n)
        def fit(self, probabilities, labels): return self
        def predict(self, probabilities): return probabilities.mean(0).argmax(1)
"""
RUN = ("run", "--cv", "2", "--baseline", "none", "--progress", "none", "--json")


def options(**changed: str) -> list[str]:
    chosen = {"dataset": "dots", "backbones": "means", "learner": "torn:n=1", "aggregator": "most"}
    return [word for name, text in (chosen | changed).items() for word in (f"--{name}", text)]


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"dataset": "dots:n=0"}, "dataset dots:n=0: n must be at least 1, got 0"),
        ({"backbones": "means:n=0"}, "backbone means:n=0: n must be at least 1, got 0"),
        ({"learner": "torn:n=0"}, "learner torn:n=0: n must be at least 1, got 0"),
        ({"aggregator": "most:n=0"}, "aggregator most:n=0: n must be at least 1, got 0"),
        ({"backbones": "blind"}, "backbone blind: no light"),
        ({"learner": "lazy:n=3"}, "learner lazy:n=3: not today"),
    ],
)
def test_an_error_that_a_component_raises_begins_with_its_name_and_options(
    site: Site, stackkit: Command, changed: dict[str, str], said: str
) -> None:
    site.install("odd", CODE)
    assert stackkit(*RUN, *options(**changed)).error == said


def test_a_learner_whose_predict_contradicts_its_probabilities_is_named_with_the_number_of_rows(
    site: Site, stackkit: Command, bird_folder: Path
) -> None:
    """The dataset's labels are NumPy integers, which are converted."""
    site.install("odd", CODE)
    for _ in ("fitted", "cached"):
        document = stackkit(*RUN, *options()).document
        (note,) = [note for note in document["notes"] if "most probable" in note]
        assert "(torn:n=1 on means: 2 of 12 predictions)" in note
        counts = {one["name"]: one["disagreements"] for one in document["results"]}
        assert counts == {"torn:n=1": 2, "most": 0}
    document = stackkit(*RUN[:3], *chosen(bird_folder), "--json").document
    assert [one["disagreements"] for one in document["results"]] == [0] * len(document["results"])
