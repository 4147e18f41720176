"""`stackkit compare`: a sentence per pair, tables for papers, and refusals in one line."""

import json
import shutil
from pathlib import Path

import pytest
from support.commands import Command
from support.made_up_runs import ROWS, MadeUp, made_up

from stackkit.report.record_files import write_outcomes


@pytest.fixture
def write(tmp_path: Path):
    def written(name: str, run: MadeUp) -> Path:
        folder = tmp_path / name
        folder.mkdir()
        record = run.record()
        (folder / "report.json").write_text(json.dumps(record.document))
        write_outcomes(record.outcomes, folder)
        return folder

    return written


def test_compare_says_in_a_sentence_whether_runs_differ(stackkit: Command, write) -> None:
    a, b = write("a", made_up()), write("b", made_up({**ROWS, "average-svm": 0.85}, seed=1))
    shown = stackkit("compare", str(a), f"{b}/")
    assert shown.code == 0
    assert f"average-svm ({a}) is better than average-svm ({b}) by 7.0 points, 95 %" in shown.out
    assert "- The runs divide the images differently" in shown.out
    document = json.loads(stackkit("compare", str(a), str(b), "--json").out)
    assert [each["run"] for each in document["rows"]] == [str(a), str(b)]
    assert document["pairs"][0]["claimed"] is True
    assert document["pairs"][0]["sentence"] in shown.out
    table = stackkit("compare", str(a), str(b), "--format", "markdown", "--row", "soft-vote")
    assert "| run | row | accuracy [95 %] |" in table.out
    rows = stackkit("compare", str(a), "--row", "average-svm", "--row", "logistic on lite2")
    assert "average-svm is better than logistic on lite2 by 7.0 points" in rows.out


def test_compare_refuses_what_is_not_comparable(stackkit: Command, write, tmp_path: Path) -> None:
    a, b = write("a", made_up()), write("b", made_up(n=590))
    refused = stackkit("compare", str(a), str(b))
    assert refused.code == 2
    assert f"of 600, 10 only in {a}" in refused.err
    assert refused.err.count("\n") == 1
    for arguments, message in (
        ([str(a), str(tmp_path / "none")], "holds no report.json"),
        ([str(a), str(a), "--json", "--format", "csv"], "choose one"),
        ([str(a)], "one run takes two --row or more"),
    ):
        refused = stackkit("compare", *arguments)
        assert refused.code == 2
        assert message in refused.err
    shutil.copy(b / "report.json", a / "report.json")
    (a / "outcomes.npz").write_bytes(b"damaged")
    assert stackkit("compare", str(a), str(b)).code == 2
