"""Views on the command line: options of every backbone, files, boxes, and what a network saw."""

import json
import re
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
        own = Option(name="views", default="one", choices=("one", "two"), help="")
        return [
            BackboneSpec(name="look", summary="", factory="looking:Look", options=(pooling, gain)),
            BackboneSpec(name="stubborn", summary="", factory="looking:Stubborn", options=(own,)),
        ]

    class Look:
        image_size, trained = 8, True

        def __init__(self, pooling, gain):
            self.pooling, self.gain = pooling, gain
            self.revision = f"{pooling}-{gain}"
            self.feature_dim = 4 if pooling == "box" else 3

        def extract(self, images):
            if self.pooling == "box":
                return np.tile(np.array([0.5, 0.25, 0.5, 0.5], np.float32), (len(images), 1))
            return (self.gain * images.mean(axis=(1, 2)) / 255).astype(np.float32)

    class Stubborn:
        image_size, feature_dim, revision, trained = 8, 3, "1", True

        def __init__(self, views):
            assert views in ("one", "two")

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


@pytest.mark.parametrize(
    ("backbone", "problem"),
    [
        (f"{HISTOGRAM}:views=attention", r"has no pooling=box.*such as boxes=[a-z]"),
        (f"{HISTOGRAM}:views=attention,boxes=nothing", "unknown backbone 'nothing'"),
        ("look:boxes=look", "look: boxes= needs views=attention"),
        ("look:views=attention,boxes=look:views=mirror", "boxes= takes one backbone with options"),
        ("look:views=upside-down", "views must be one of mirror, crops, attention"),
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


def test_boxes_are_stored_and_not_given_to_a_learner(stackkit: Command, images: str) -> None:
    chosen = ["--dataset", images, "--backbones", "look:pooling=avg+box"]
    assert stackkit("extract", *chosen).code == 0
    refused = stackkit("run", *chosen)
    assert refused.code == 2
    assert refused.error.startswith(
        "look:pooling=box finds boxes, from which no learner can tell classes"
    )
