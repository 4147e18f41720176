"""Put all sections of a report on one page that needs no other file and sends no request."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Collection, Iterator, Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from stackkit.charts.all import pictures as draw
from stackkit.charts.picture import Picture
from stackkit.evidence.evidence import Evidence
from stackkit.html_report import making, text
from stackkit.html_report.class_table import FIRST_PAIRS, class_rows, pairs
from stackkit.html_report.image_map import image_map
from stackkit.html_report.ladder import LadderRow, ladder
from stackkit.html_report.second_look import finding_groups
from stackkit.report.caveats import ON_SELECTION
from stackkit.report.record import Record

TEMPLATES = Path(__file__).parent / "templates"

LISTED = 100
"""Unreadable images, and damaged ones, that the page lists; report.json has all."""


def page(record: Record, pictures: Mapping[str, Picture] | None = None) -> str:
    """Return the report of a run as one HTML page.

    Parameters
    ----------
    record : Record
        The finished run. Sections whose evidence was not gathered say so.
    pictures : mapping of str to Picture, optional
        Pictures by name; drawn from the record by default.

    Returns
    -------
    str
        The page; any text in it can be encoded as UTF-8. It holds its style, its script and its images,
        and its content security policy forbids every request.

    """
    return rendered(
        "page.html.j2",
        pictures=draw(record) if pictures is None else pictures,
        other=record.other and _other(record.other, record.document["notes"]),
        **_content(record),
    )


def rendered(template: str, **content: Any) -> str:
    """Return a page from a template, with the style and the script of all pages."""
    script = (TEMPLATES / "page.js").read_text(encoding="utf-8")
    return (
        _environment()
        .get_template(template)
        .render(
            style=_trusted((TEMPLATES / "page.css").read_text(encoding="utf-8")),
            script=_trusted(script),
            script_hash=base64.b64encode(hashlib.sha256(script.encode()).digest()).decode(),
            **content,
        )
    )


@cache
def _environment() -> Environment:
    environment = Environment(
        loader=FileSystemLoader(TEMPLATES),
        undefined=StrictUndefined,
        autoescape=True,  # names of files and classes may be anything
        finalize=text.shown,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    for function in (
        text.file_name,
        text.breakable,
        text.percent,
        text.points,
        text.prose,
        text.interval,
        text.points_interval,
        text.figure,
        text.probability,
        text.seconds,
        text.count,
        text.key,
        text.image_address,
        text.script_data,
    ):
        environment.filters[function.__name__] = function
    environment.filters["markup"] = _trusted
    return environment


def _trusted(content: str) -> Markup:
    """Mark text of ours as markup: the style, the script, and pictures that charts has escaped."""
    return Markup(content)  # noqa: S704


def _content(record: Record) -> dict[str, Any]:
    """Return what the sections show of one protocol."""
    document, outcomes = record.document, record.outcomes
    evidence = record.evidence or Evidence()
    rows = ladder(document)
    headline = _headline(rows)
    return {
        "document": document,
        "title": _title(document),
        "rows": rows,
        "by_number": {row.number: row for row in rows},
        "headline": headline,
        "chance": document["largest_class"],
        "verdicts": document.get("verdicts"),
        "sentences": _sentences(document),
        "notes": list(_notes(document)),
        "class_rows": class_rows(outcomes, headline.number),
        "pairs": pairs(outcomes, headline.number),
        "first_pairs": FIRST_PAIRS,
        "evidence": evidence,
        "map": image_map(outcomes, evidence, headline.number),
        "findings": finding_groups(evidence.audit) if evidence.audit else [],
        "curve": document.get("learning_curve"),
        "facts": list(making.facts(document, outcomes)),
        "listed": LISTED,
        "warning": _warning(document),
    }


def _other(record: Record, known: Collection[str]) -> dict[str, Any]:
    """Return what the page shows of the other protocol: its table, and notes that are not yet known."""
    rows = ladder(record.document)
    return {
        "document": record.document,
        "rows": rows,
        "headline": _headline(rows),
        "verdicts": record.document.get("verdicts"),
        "notes": [note for note in _notes(record.document) if note not in known],
    }


def _sentences(document: Mapping[str, Any]) -> Sequence[str]:
    """Return the sentences of the summary that the page does not say elsewhere.

    The warning about random weights and the accuracy, which come first, are beside the large figure; the
    sentence about more images has a section of its own.
    """
    if not (verdicts := document.get("verdicts")):
        return [document["protocol"]["meaning"]]
    curve = document.get("learning_curve") or {}
    sentences = verdicts["summary"][2 if document["untrained"] else 1 :]
    return [each for each in sentences if each != curve.get("sentence")]


def _notes(document: Mapping[str, Any]) -> Iterator[str]:
    """Yield the notes, but for the one on choosing the best single backbone, which verdicts say too."""
    for note in document["notes"]:
        if not (document.get("verdicts") and note.startswith(ON_SELECTION)):
            yield note


def _headline(rows: list[LadderRow]) -> LadderRow:
    return next(row for row in rows if row.headline)


def _title(document: Mapping[str, Any]) -> str:
    """Name the dataset in a few words: the plugin's name, and the folder or file that it reads."""
    name = str(document["dataset"]).partition(":")[0]
    options: Mapping[str, Any] = next(
        (c["options"] for c in document["components"] if c["kind"] == "dataset"), {}
    )
    place = next((options[key] for key in ("root", "file", "path") if options.get(key)), "")
    return f"{name}: {Path(str(place)).name}" if place else name


def _warning(document: Mapping[str, Any]) -> str:
    """Return what makes all figures meaningless; "" if nothing does."""
    if not document["untrained"]:
        return ""
    found = [note for note in document["notes"] if note.startswith("Untrained")]
    return found[0] if found else "Untrained (random weights), so accuracies mean nothing."
