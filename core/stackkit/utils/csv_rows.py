"""Format rows as CSV that spreadsheets and programs read alike."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

_FORMULA_SIGNS = tuple("=+-@\t\r\n＝＋－＠")  # noqa: RUF001 - spreadsheets take the wide ones, too
"""Characters with which a text becomes a formula in a spreadsheet."""


def csv_line(cells: Iterable[object]) -> str:
    """Return one row of CSV with its line end; cells with commas, quotes or line ends are quoted.

    None is an empty cell. Texts that a spreadsheet would compute as a formula, and those that only
    quotes precede, get a single quote in front; numbers do not.
    """
    line = io.StringIO()
    csv.writer(line, lineterminator="\n").writerow([_cell(each) for each in cells])
    return line.getvalue()


def csv_text(documents: Sequence[Mapping[str, Any]]) -> str:
    """Return CSV with a row per document: JSON objects that may hold lists and objects.

    Lists of numbers and objects get a column per element (`fold_accuracy_1`, `interval_95_low`), lists
    of texts are joined with "; ", and other lists are JSON.
    """
    rows = [_flat(document) for document in documents]
    columns = list(dict.fromkeys(name for row in rows for name in row))
    return csv_line(columns) + "".join(csv_line(map(row.get, columns)) for row in rows)


def _cell(value: object) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return str(value).lower()
    if not isinstance(value, str):
        return str(value)
    return f"'{value}" if value.lstrip("'").startswith(_FORMULA_SIGNS) else value


def _flat(document: Mapping[str, Any]) -> dict[str, object]:
    flat: dict[str, object] = {}
    for name, value in document.items():
        if isinstance(value, Mapping):
            flat |= {f"{name}_{key}": each for key, each in _flat(value).items()}
        elif not isinstance(value, list):
            flat[name] = value
        elif value and all(isinstance(each, int | float) for each in value):
            flat |= {f"{name}_{number}": each for number, each in enumerate(value, start=1)}
        elif all(isinstance(each, str) for each in value):
            flat[name] = "; ".join(value)
        else:
            flat[name] = json.dumps(value)
    return flat
