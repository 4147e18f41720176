"""`stackkit audit` lists what deserves a second look, as tables, CSV, JSON and a page."""

import csv
import io
import shutil
import sys
from pathlib import Path

import pytest
from PIL import Image, ImageFilter
from support.commands import HISTOGRAM, Command

import stackkit as library

EVIL = "<script>alert(1)</script>"


@pytest.fixture
def folder(bird_folder: Path, tmp_path: Path) -> Path:
    """Birds with a copy under another label, a blurred one, and a class called like a script."""
    root = tmp_path / "photos"
    shutil.copytree(bird_folder, root)
    first, second, third = sorted(root.iterdir())
    one, other, *_ = sorted(first.iterdir())
    shutil.copy(one, second / "copy.jpg")
    with Image.open(other) as image:
        image.filter(ImageFilter.GaussianBlur(6)).save(first / "blurred.jpg")
    third.rename(root / EVIL.replace("/", "∕"))  # noqa: RUF001 - a folder name has no slash
    return root


def test_an_audit_is_shown_written_and_remembered(
    stackkit: Command, folder: Path, tmp_path: Path, home: Path
) -> None:
    arguments = (
        "--dataset",
        f"image-folder:root={folder}",
        "--backbones",
        HISTOGRAM,
        "--progress",
        "none",
    )
    out = tmp_path / "audit"
    shown = stackkit("audit", *arguments, "--out", out)
    assert shown.code == 0, shown.err
    assert "of 20 labels look wrong; check them" in shown.out
    assert "images that are nearly the same: " in shown.out
    assert "blurred images: 1 of 20" in shown.out
    assert "These are suspicions" in shown.out
    assert f"written: {out / 'audit.html'}" in shown.err
    assert [*home.glob("features/image-measures-*.jsonl")]

    rows = list(csv.DictReader((out / "audit.csv").open(encoding="utf-8")))
    (copy,) = [each for each in rows if each["reason"].startswith("the same file; the other one is")]
    assert copy["kind"] == "near-duplicate"
    assert copy["id"].endswith("copy.jpg") or copy["other"].endswith("copy.jpg")
    assert copy["decision"] == ""
    assert [each["id"].endswith("blurred.jpg") for each in rows if each["kind"] == "blurred"] == [True]

    page = (out / "audit.html").read_text(encoding="utf-8")
    assert "data:image/jpeg;base64," in page
    assert "<script>alert" not in page
    assert "&lt;script&gt;alert(1)" in page

    again = stackkit("audit", *arguments, "--out", out)
    assert again.error == f"{out / 'audit.csv'} exists; choose another --out, or pass --overwrite"
    document = stackkit("audit", *arguments, "--json").document
    assert document["n_images"] == 20
    assert document["findings"][0].keys() == {*rows[0]} - {"decision"}
    assert document["protocol"].startswith("3-fold stratified cross-validation, groups kept together")
    assert document["command"].startswith("stackkit audit --dataset image-folder:root=")

    (out / "audit.html").unlink()
    (out / "audit.html").mkdir()  # something that a file cannot replace
    printed = stackkit("audit", *arguments, "--csv", "--out", out, "--overwrite")
    assert printed.code == 2
    assert f"written: {out / 'audit.json'}" in printed.err
    assert "audit.html cannot be written" in printed.err, "and the result is not lost"
    assert next(csv.DictReader(io.StringIO(printed.out)))["id"] == rows[0]["id"]


def test_python_has_the_findings_too(
    stackkit: Command, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "cleanlab", None)
    found = library.audit_dataset(folder, backbones=HISTOGRAM)
    assert list(found.skipped) == ["label"]
    assert found.counts["blurred"] == 1
    assert len(found.to_dataframe()) == len(found.findings) == sum(found.counts.values())
    assert "cleanlab is not installed; run: pip install" in found._repr_html_()
    assert "<script>" not in found._repr_html_()
    assert str(found).splitlines()[0].startswith("images that are nearly the same: ")
    assert found.write(tmp_path / "audit").name == "audit.html"


def test_an_audit_refuses_what_it_cannot_use(stackkit: Command, folder: Path, tmp_path: Path) -> None:
    dataset = f"image-folder:root={folder}"
    usual = ("audit", "--dataset", dataset, "--backbones", HISTOGRAM)
    assert stackkit(*usual, "--top", "0").error == "--top must be at least 1, got 0"
    assert "--json and --csv cannot be combined" in stackkit(*usual, "--json", "--csv").error
    (tmp_path / "file").write_bytes(b"")
    assert "it is a file" in stackkit(*usual, "--out", tmp_path / "file", "--progress", "none").error
    refused = stackkit(*usual, "--learner", "linear-svm").error
    assert refused.startswith("an audit needs probabilities, which learner linear-svm does not provide")


def test_random_weights_are_said() -> None:
    from stackkit.audit.findings import Audit
    from stackkit.audit.report import AuditReport

    report = AuditReport(
        stackkit="1",
        created="2026-01-01",
        command="",
        dataset="d",
        classes=("a",),
        protocol="",
        backbones=("n",),
        learners=("l",),
        untrained=("n",),
        failed_images=(),
        audit=Audit(n_images=1, counts={"label": 1}),
    )
    assert next(report.notes()).startswith("Untrained (random weights): n.")
    assert report.summary("label") == "1 of 1 labels look wrong; check them"
    assert report.document()["counts"] == {"label": 1}
