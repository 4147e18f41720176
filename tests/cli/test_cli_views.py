"""Views on the command line: options of every backbone, files, boxes, and what a network saw."""

import json
import re
import shlex
from pathlib import Path

import pytest
from PIL import Image
from support.commands import HISTOGRAM, Command, photographs
from support.installing import Site

LOOKING = """
    import numpy as np
    from stackkit.api import *

    @hookimpl
    def stackkit_backbones():
        choices = ("avg", "box")
        pooling = Option(name="pooling", default="avg", choices=choices, several="expand", help="")
        gain = Option(name="gain", default=1.0, help="")
        shift = Option(name="shift", default=0.0, help="")
        own = Option(name="views", default="one", choices=("one", "two"), help="")
        mine = (pooling, gain, shift)
        stubborn = (own, seed_option(""))
        return [
            BackboneSpec(name="look", summary="", factory="looking:Look", options=mine),
            BackboneSpec(name="stubborn", summary="", factory="looking:Stubborn", options=stubborn),
        ]

    class Look:
        image_size, trained = 8, True

        def __init__(self, pooling, gain, shift):
            self.pooling, self.gain, self.shift = pooling, gain, shift
            self.revision = f"{pooling}-{gain}-{shift}"
            self.feature_dim = 4 if pooling == "box" else 3

        def extract(self, images):
            if self.pooling == "box":
                box = np.array([0.5 - self.shift, 0.25, 0.5, 0.5], np.float32)
                return np.tile(box, (len(images), 1))
            return (self.gain * images.mean(axis=(1, 2)) / 255).astype(np.float32)

    class Stubborn:
        image_size, feature_dim, trained = 8, 3, True

        def __init__(self, views, seed):
            assert views in ("one", "two")
            self.revision = f"1-{seed}"

        def extract(self, images):
            return (images.mean(axis=(1, 2)) / 255).astype(np.float32)
"""


@pytest.fixture
def images(tmp_path: Path, site: Site) -> str:
    site.install("looking", LOOKING)
    return f"image-folder:root={photographs(tmp_path / 'photos', a=4, b=4)}"


def test_a_run_on_views_shows_them_before_and_stores_a_file_for_each(
    stackkit: Command, images: str, tmp_path: Path
) -> None:
    chosen = ["--dataset", images, "--backbones", "look:views=mirror+attention"]
    plan = stackkit("extract", *chosen, "--dry-run")
    assert "backbone    look:views=mirror+attention: 8x8 pixels -> 3 features, 3 views" in plan.out
    assert "store       416 bytes of features at most" in plan.out, (
        "3 views of 3 features, and 4 of a box"
    )
    labels = [
        one["name"] for one in stackkit("extract", *chosen, "--dry-run", "--json").document["backbones"]
    ]
    assert labels == ["look", "look (mirror)", "look:pooling=box", "look (attention)"]
    out = tmp_path / "out"
    ran = stackkit("run", *chosen, "--cv", "2", "--out", out)
    assert ran.code == 0, ran.err
    report = json.loads((out / "report.json").read_text())
    assert set(report["extraction"]) == set(labels)
    assert "look:views=mirror+attention" in ran.out
    names = [one["label"] for one in report["components"] if one["kind"] == "backbone"]
    assert names == ["look:views=mirror+attention", "look:pooling=box"]
    files = stackkit("features", "ls", "--json").document["files"]
    assert sorted((one["view"], one["feature_dim"], one["stored"]) for one in files) == [
        ("attention", 3, 8),
        ("mirror", 3, 8),
        ("whole", 3, 8),
        ("whole", 4, 8),
    ]
    verified = stackkit("features", "verify", "--recompute", "3", "--json")
    assert {one["recomputed"] for one in verified.document["files"]} == {3}
    assert {one["largest_difference"] for one in verified.document["files"]} == {0.0}
    _shows_what_the_network_saw(stackkit, files, tmp_path)


def _shows_what_the_network_saw(stackkit: Command, files: list[dict], tmp_path: Path) -> None:
    (path,) = (one["path"] for one in files if one["view"] == "attention")
    name = stackkit("features", "show", path, "--json").document["provenance"][0]
    assert (name["view"], name["boxes"]["label"]) == ("attention", "look:pooling=box")
    picture = tmp_path / "seen.png"
    shown = stackkit(
        "features", "show", path, "--image", "a/000.png", "--out", picture, "--json"
    ).document
    width, height = shown["width"], shown["height"]
    assert shown["region"] == [width / 2, height / 4, width, height * 3 / 4]
    assert shown["share"] == 0.25
    with Image.open(picture) as image:
        assert image.size == (width, height)
    assert (
        "already exists"
        in stackkit("features", "show", path, "--image", "a/000.png", "--out", picture).error
    )
    assert "did you mean a/000.png" in stackkit("features", "show", path, "--image", "a/000.jpg").error
    (boxes,) = (one["path"] for one in files if one["feature_dim"] == 4)
    assert "25% of the image" in stackkit("features", "show", boxes, "--image", "a/000.png").out
    photo = tmp_path / "photos" / "a" / "001.png"
    Image.new("RGB", (30, 20)).save(photo)
    assert (
        "a/001.png has changed since" in stackkit("features", "show", path, "--image", "a/001.png").error
    )
    (mirror,) = (one["path"] for one in files if one["view"] == "mirror")
    assert "100% of the image" in stackkit("features", "show", mirror, "--image", "a/000.png").out


def test_boxes_of_one_backbone_serve_others(stackkit: Command, images: str) -> None:
    text = f"look,{HISTOGRAM}:views=attention,boxes=look:gain=2;pooling=avg"
    done = stackkit("extract", "--dataset", images, "--backbones", text, "--json")
    assert done.code == 0, done.err
    files = stackkit("features", "ls", "--json").document["files"]
    assert sorted((one["backbone"].partition("/")[2], one["view"]) for one in files) == [
        (HISTOGRAM, "attention"),
        (HISTOGRAM, "whole"),
        ("look", "whole"),
        ("look", "whole"),
    ]


def test_one_network_with_two_kinds_of_boxes_keeps_both_kinds_of_features(
    stackkit: Command, images: str
) -> None:
    both = "look:views=attention,look:views=attention,boxes=look:shift=0.5"
    done = stackkit("extract", "--dataset", images, "--backbones", both, "--json")
    assert done.code == 0, done.err
    labels = ["look (attention)", "look (attention, boxes=look:shift=0.5)"]
    assert [done.document["computed"][label] for label in labels] == [8, 8]
    files = stackkit("features", "ls", "--json").document["files"]
    assert [one["stored"] for one in files if one["view"] == "attention"] == [8, 8]


def test_boxes_keep_all_their_digits_where_features_are_rounded(stackkit: Command, images: str) -> None:
    chosen = ["--dataset", images, "--backbones", "look:shift=0.3001,views=attention"]
    first = stackkit("extract", *chosen, "--feature-dtype", "float16", "--json").document
    assert first["computed"]["look:pooling=box,shift=0.3001"] == 8
    then = stackkit("extract", *chosen, "--json").document
    assert then["computed"]["look:pooling=box,shift=0.3001"] == 0, "both use the same boxes"
    files = stackkit("features", "ls", "--json").document["files"]
    assert [one["dtype"] for one in files if one["feature_dim"] == 4] == ["float32"]


def test_features_whose_boxes_were_deleted_say_how_to_store_these_again(
    stackkit: Command, images: str, tmp_path: Path
) -> None:
    chosen = ["--dataset", images, "--backbones", "look:views=attention"]
    stackkit("extract", *chosen)

    def files() -> dict[int, dict]:
        found = stackkit("features", "ls", "--json").document["files"]
        return {
            one["feature_dim"]: one for one in found if one["feature_dim"] == 4 or one["view"] != "whole"
        }

    Path(files()[4]["path"]).unlink()
    attention = files()[3]["path"]
    lost = stackkit("features", "verify", "--recompute", "8", attention)
    shown = stackkit("features", "show", attention, "--image", "a/000.png")
    again = ["--dataset", images, "--backbones", "look:pooling=box"]
    for outcome in (lost, shown):
        assert outcome.error.endswith(f"run `stackkit {shlex.join(['extract', *again])}`"), outcome.error
    photographs(tmp_path / "photos", c=1)
    stackkit("extract", *chosen)  # finds a box of the new image only: all other features are known
    attention = files()[3]["path"]
    partly = stackkit("features", "verify", "--recompute", "9", "--json", attention)
    assert partly.code == 0, partly.err
    assert [len(one["skipped"]) for one in partly.document["files"]] == [8]
    assert (
        "has no box for a/000.png"
        in stackkit("features", "show", attention, "--image", "a/000.png").error
    )
    stackkit("extract", *again)
    whole = stackkit("features", "verify", "--recompute", "9", "--json", attention)
    assert [one["recomputed"] for one in whole.document["files"]] == [9]


def test_features_copied_for_fewer_images_find_their_boxes_in_the_file_of_all(
    stackkit: Command, images: str
) -> None:
    for dataset in (images, f"{images},limit=2"):
        done = stackkit("extract", "--dataset", dataset, "--backbones", "look:views=attention", "--json")
    assert done.document["computed"] == {"look": 0, "look (attention)": 0}
    files = stackkit("features", "ls", "--json").document["files"]
    (few,) = (one["path"] for one in files if one["view"] == "attention" and one["stored"] < 8)
    shown = stackkit("features", "show", few, "--image", "b/000.png", "--json")
    assert shown.document["share"] == 0.25, shown.err
    verified = stackkit("features", "verify", "--recompute", "8", "--json", few)
    assert [one["largest_difference"] for one in verified.document["files"]] == [0.0]


def test_other_pixels_and_other_boxes_are_not_taken_for_changed_code(
    stackkit: Command, images: str
) -> None:
    for text in ("look:views=attention", "look:resize=pad", "look:views=attention,boxes=look:gain=2"):
        done = stackkit("extract", "--dataset", images, "--backbones", text)
        assert "are not used" not in done.err, done.err
    never = stackkit("evaluate", "--dataset", images, "--backbones", "look:resize=crop", "--cv", "2")
    assert never.code == 6
    assert "no features of these images are stored" in never.error


@pytest.mark.parametrize(
    ("backbone", "problem"),
    [
        (f"{HISTOGRAM}:views=attention", r"has no pooling=box.*such as boxes=[a-z]"),
        (f"{HISTOGRAM}:views=attention,boxes=nothing", "unknown backbone 'nothing'"),
        ("look:boxes=look", "look: boxes= needs views=attention"),
        ("look:views=attention,boxes=look:views=mirror", "boxes= takes one backbone with options"),
        ("look:views=upside-down", "views must be one of mirror, crops, attention"),
        ("look:views=mirror,attention", r"several values of views= are joined by \+: views=mirror\+att"),
        ("look:pooling=avg,box", r"several values of pooling= are joined by \+: pooling=avg\+box"),
        ("look:resize=crop,nothing", "unknown backbone 'nothing'; [^;]*$"),
        ("look:resize=stretch", "resize must be one of squash, crop, pad"),
        ("look:views=mirror,look:views=mirror+mirror", "contains mirror more than once"),
        ("look:views=mirror+crops,look:views=crops+mirror", "count as the same features"),
    ],
)
def test_views_that_cannot_be_made_are_refused_in_one_line(
    stackkit: Command, images: str, backbone: str, problem: str
) -> None:
    refused = stackkit("extract", "--dataset", images, "--backbones", backbone)
    assert refused.code == 2
    assert re.search(problem, refused.error), refused.error


def test_learners_that_differ_only_in_views_need_a_backbone_with_views(
    stackkit: Command, images: str
) -> None:
    chosen = ["--dataset", images, "--cv", "2", "--learner", "lda,lda:views=average", "--dry-run"]
    refused = stackkit("run", *chosen, "--backbones", "look")
    assert (refused.code, "lda and lda:views=average are the same learner" in refused.error) == (2, True)
    assert stackkit("run", *chosen, "--backbones", "look:views=mirror").code == 0


def test_a_plugin_keeps_its_own_option_of_the_same_name(stackkit: Command, images: str) -> None:
    done = stackkit("extract", "--dataset", images, "--backbones", "stubborn:views=two,resize=pad")
    assert done.code == 0, done.err
    (file,) = stackkit("features", "ls", "--json").document["files"]
    assert (file["view"], file["resize"]) == ("whole", "pad")


def test_features_are_recomputed_with_the_seed_of_their_run(stackkit: Command, images: str) -> None:
    stackkit("extract", "--dataset", images, "--backbones", "stubborn", "--seed", "3")
    verified = stackkit("features", "verify", "--recompute", "3")
    assert verified.code == 0, verified.err


def test_boxes_are_stored_and_not_given_to_a_learner(stackkit: Command, images: str) -> None:
    chosen = ["--dataset", images, "--backbones", "look:pooling=avg+box"]
    assert stackkit("extract", *chosen).code == 0
    refused = stackkit("run", *chosen)
    assert refused.code == 2
    assert refused.error.startswith(
        "look:pooling=box finds boxes, from which no learner can tell classes"
    )
