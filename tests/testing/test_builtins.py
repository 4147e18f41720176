"""stackkit's own plugins keep the promises that are asked of strangers."""

import shutil

import pytest

from stackkit.testing import conformance
from stackkit.testing.cases import Case, Wish, cases
from stackkit.testing.promise import judge

test_logistic = conformance("logistic")
test_linear_svm = conformance("linear-svm")
test_average_svm = conformance("average-svm")
test_soft_vote = conformance("soft-vote")
test_geometric_vote = conformance("geometric-vote")
test_majority_vote = conformance("majority-vote")
test_weighted_vote = conformance("weighted-vote")
test_ensemble_selection = conformance("ensemble-selection")
test_stacked_logistic = conformance("stacked-logistic")
test_concat = conformance("concat")
test_mnist = conformance("mnist", options={"mnist": {"limit": 5}})


def broken(found: list[Case]) -> dict[str, str]:
    judged = [(case.id, judge(case.promise, case.subject)) for case in found]
    return {name: verdict.found for name, verdict in judged if verdict.word == "BROKEN"}


def test_image_folder(bird_folder, tmp_path):
    root = shutil.copytree(bird_folder, tmp_path / "birds")
    assert broken(cases("image-folder", Wish(options={"image-folder": {"root": str(root)}}))) == {}


def test_cub200(cub_root):
    assert broken(cases("cub200", Wish(options={"cub200": {"root": str(cub_root)}}))) == {}


@pytest.mark.parametrize(
    ("plugin", "name"),
    [("efficientnet-lite", "efficientnet-lite0"), ("keras-applications", "mobilenet")],
)
def test_backbones(plugin, name):
    wish = Wish(components=[name], options={name: {"weights": "random", "size": 32}})
    assert broken(cases(plugin, wish)) == {}
