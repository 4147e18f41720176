"""Show an audit as one HTML page that needs no other file and sends no request."""

from __future__ import annotations

from collections.abc import Mapping

from stackkit.audit.report import AuditReport
from stackkit.evidence.evidence import Evidence
from stackkit.html_report.page import rendered
from stackkit.html_report.second_look import finding_groups


def audit_page(report: AuditReport, thumbnails: Mapping[str, bytes]) -> str:
    """Return the page.

    Parameters
    ----------
    report : AuditReport
        What was found.
    thumbnails : mapping of str to bytes
        JPEG files by id, of the first findings of each kind.

    """
    return rendered(
        "audit.html.j2",
        report=report,
        evidence=Evidence(thumbnails=thumbnails, audit=report.audit),
        findings=finding_groups(report.audit),
        notes=list(report.notes()),
    )
