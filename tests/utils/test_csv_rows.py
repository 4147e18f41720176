"""CSV: quoted where needed, no formulas, the same columns for every row."""

import csv
import io

from hypothesis import given
from hypothesis import strategies as st

from stackkit.utils.csv_rows import csv_line, csv_text


def test_formulas_are_disarmed_and_numbers_are_not() -> None:
    cells = ['=HYPERLINK("x")', "-1", "@a", "\t=1", "'=1", "'plain'", -0.5, True, None, "a,b", "x\ny"]
    (row,) = csv.reader(io.StringIO(csv_line(cells)))
    assert row == [
        "'=HYPERLINK(\"x\")", "'-1", "'@a", "'\t=1", "''=1", "'plain'", "-0.5", "true", "", "a,b", "x\ny"
    ]  # fmt: skip


@given(st.lists(st.text(st.characters(exclude_characters="\r\0", codec="utf-8")), min_size=2))
def test_different_texts_stay_different(texts: list[str]) -> None:
    (row,) = csv.reader(io.StringIO(csv_line(texts), newline=""))
    assert len(row) == len(texts)
    assert len(set(row)) == len(set(texts))


def test_lists_and_objects_have_a_column_per_element() -> None:
    text = csv_text(
        [
            {"name": "a", "folds": [0.5, 1], "interval": {"low": 0.1, "high": 0.9}, "on": ["x", "y,z"]},
            {"name": "b", "folds": [0.25, 0], "more": [{"k": 1}], "on": []},
        ]
    )
    assert text.splitlines() == [
        "name,folds_1,folds_2,interval_low,interval_high,on,more",
        'a,0.5,1,0.1,0.9,"x; y,z",',
        'b,0.25,0,,,,"[{""k"": 1}]"',
    ]
