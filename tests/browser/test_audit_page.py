"""The page of `stackkit audit` in a browser: names are text, nothing is requested, tables are sorted."""

import io
from pathlib import Path
from typing import Any

from PIL import Image

from stackkit.audit.findings import Audit, Finding, HardPair
from stackkit.audit.report import AuditReport
from stackkit.html_report.audit_page import audit_page

EVIL = "<script>document.title = 'run'</script>"


def test_the_page_of_an_audit_shows_images_and_runs_no_name(visit: Any, tmp_path: Path) -> None:
    stream = io.BytesIO()
    Image.new("RGB", (20, 20), "red").save(stream, "JPEG")
    findings = [
        Finding(kind="label", id=f"{k}.jpg", label=EVIL, score=0.9, suggested="b") for k in range(30)
    ]
    pairs = [HardPair(first="a", second="b", images=k, share=k / 20) for k in (7, 9, 8)]
    report = AuditReport(
        stackkit="1",
        created="2026-01-01T00:00:00+00:00",
        command=f"stackkit audit --dataset '{EVIL}'",
        dataset=EVIL,
        classes=(EVIL, "b"),
        protocol="3-fold",
        backbones=("net",),
        learners=("logistic",),
        untrained=(),
        failed_images=(),
        audit=Audit(n_images=900, findings=findings, hard_pairs=pairs, counts={"label": 31}),
    )
    file = tmp_path / "audit.html"
    file.write_text(audit_page(report, {"0.jpg": stream.getvalue()}), encoding="utf-8")
    found = visit(file.as_uri(), color_scheme="dark")
    assert found.page.title() == f"{EVIL} · stackkit audit"
    assert found.page.locator("h1").inner_text() == EVIL
    assert found.page.locator("h3").first.inner_text() == "Labels that look wrong (31)"
    assert found.page.get_by_text("7 more are in the CSV file").count() == 1, "24 of 31 are shown"
    assert found.page.evaluate("document.images[0].naturalWidth") == 20
    found.page.get_by_role("button", name="Images mixed up").click()
    shown = found.page.locator("#hard tbody td:nth-child(3)").all_inner_texts()
    assert shown == ["9", "8", "7"]
    assert {each.partition(":")[0] for each in found.requests} <= {"file", "data"}
