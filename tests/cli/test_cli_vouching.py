"""A stranger's features are taken for known only if its code and options still give them."""

from collections.abc import Callable
from pathlib import Path

import pytest
from support.commands import Outcome, chosen, in_a_process, photographs
from support.installing import Site

CODE = """
    import numpy as np
    from stackkit.api import *

    @hookimpl
    def stackkit_backbones():
        options = (Option(name="gain", default=1.0, help=""), Option(name="batch", default=8, help=""))
        return [BackboneSpec(name="mean", summary="", factory="means:Mean", options=options)]

    class Mean:
        image_size, feature_dim, revision, trained = 8, 3, "1", True
        def __init__(self, gain, batch):
            self.gain = gain
        def extract(self, images):
            FEATURES
"""
HONEST = "return (self.gain * images.mean(axis=(1, 2)) / 255).astype(np.float32)"
REWRITTEN = "return (self.gain * np.mean(images, (1, 2)) / 255).astype(np.float32)"
OTHER = "return (images.std(axis=(1, 2)) / 255).astype(np.float32)"
DROPOUT = HONEST + " * (np.random.default_rng().random((len(images), 3)) > 0.5).astype(np.float32)"
BATCH = "x = images.mean(axis=(1, 2)); return ((x - x.mean(axis=0)) / x.std(axis=0)).astype(np.float32)"
COUNTED = "import sys; print('ASKED', len(images), file=sys.stderr); " + HONEST

Stackkit = Callable[..., Outcome]


@pytest.fixture
def written(site: Site) -> Callable[[str], None]:
    """Write the plugin with this way to compute features, leaving its revision and version alone."""
    site.install("means", CODE.replace("FEATURES", HONEST))

    def write(features: str) -> None:
        text = (site.folder / "means.py").read_text()
        head = text[: text.index("def extract")]
        (site.folder / "means.py").write_text(f"{head}def extract(self, images):\n        {features}\n")

    return write


@pytest.fixture
def images(tmp_path: Path) -> Path:
    return photographs(tmp_path / "photos", a=12, b=12)


def extract(images: Path, backbone: str = "mean") -> Outcome:
    return in_a_process("extract", *chosen(images, backbone))


def test_changed_code_under_an_old_revision_is_an_error_that_says_what_to_do(written, images):
    assert extract(images).code == 0
    written(OTHER)
    for command in ("extract", "evaluate", "run"):
        error = in_a_process(command, *chosen(images, "mean")).error
        assert "mean (from means) no longer gives the features that are stored" in error
        assert "make the revision tell, or remove" in error


def test_code_that_changed_and_still_gives_the_same_is_accepted_and_asked_no_more(written, images):
    extract(images)
    written(COUNTED)
    first = extract(images)
    assert first.code == 0
    assert "ASKED" in first.err
    again = extract(images)
    assert again.code == 0
    assert "ASKED" not in again.err, "all is stored, and by this very code"


def test_an_option_that_the_revision_leaves_out_is_noticed(written, images):
    extract(images)
    assert extract(images, "mean:batch=4").code == 0, "it changes no feature"
    assert "Its code or an option changed" in extract(images, "mean:gain=3").error
    assert extract(images).code == 0


def test_going_back_to_older_code_is_noticed_too(written, images):
    extract(images)
    file = Path(files()[0])
    file.unlink()
    written(OTHER)
    assert extract(images).code == 0
    written(HONEST)
    assert "no longer gives the features" in extract(images).error


def files() -> list[str]:
    """Every feature file."""
    document = in_a_process("features", "ls", "--json").document
    return [entry["path"] for entry in document["files"]]


@pytest.mark.parametrize(
    ("fault", "said"),
    [(DROPOUT, "when asked again"), (BATCH, "among other images")],
)
def test_features_that_depend_on_neighbours_or_chance_are_never_stored(fault, said, written, images):
    written(fault)
    error = extract(images).error
    assert f"gives an image other features {said}, by" in error
    assert "stackkit check-plugin means" in error
    written(HONEST)
    assert "24 images computed" in extract(images).out


def test_rows_that_another_dataset_brings_are_tried_as_well(written, images, tmp_path):
    extract(images)
    written(OTHER)
    photographs(images, c=3)
    assert "no longer gives the features" in extract(images).error


def test_a_lost_or_damaged_record_costs_a_few_images_and_nothing_else(written, images):
    written(COUNTED)
    extract(images)
    (record,) = (path.with_suffix(".vouched") for path in map(Path, files()))
    for damage in (record.unlink, lambda: record.write_text("{"), lambda: record.write_text("[]")):
        damage()
        outcome = extract(images)
        assert outcome.code == 0
        assert "24 were stored already" in outcome.out
        assert "ASKED 4" in outcome.err


def test_a_cleaned_store_keeps_no_record(written, images):
    extract(images)
    (file,) = map(Path, files())
    assert in_a_process("features", "gc", "--keep-size", "1KB").code == 0
    assert not file.parent.exists()
