"""Tables for papers: every figure, and names that stay text in Markdown, LaTeX and CSV."""

import csv
import io
from dataclasses import replace

from support.made_up_runs import MadeUp, made_up

from stackkit.report.between_runs import NamedRecord, compare
from stackkit.report.table_formats import comparison_text, ladder_text

HOSTILE = r"a_b%c&d#e$f{g}h\i~j^k|l<script>[m]" + "\n`n`*o*\u202e"

RUN = made_up()


def renamed(run: MadeUp, name: str) -> MadeUp:
    first, *others = run.results
    return replace(run, results=[replace(first, name=name), *others])


def test_markdown_has_a_row_for_each_result_and_reference_and_says_what_the_figures_are():
    lines = ladder_text(RUN.record(), "markdown").splitlines()
    assert lines[0].startswith("image-folder: 600 images, 10 classes; 3-fold stratified")
    heading = next(line for line in lines if line.startswith("| classifier"))
    figures = "accuracy [95 %] | balanced | macro-F1 | gain [95 %] | p (Holm) |"
    assert heading == f"| classifier | on | fitted on | {figures}"
    rows = [line.split(" | ") for line in lines if line.startswith("| ")][2:]
    assert [row[0] for row in rows] == [
        "| linear-svm",
        "| logistic",
        "| logistic",
        "| average-svm",
        "| soft-vote",
        "| largest class",
    ]
    assert rows[3][1:4] == ["all 2", "in-sample", "92.0 [89.6, 93.9]"]
    assert rows[3][-2] == "+7.0 [+4.3, +9.8]"
    assert (
        "as measured, it is 7.0 points, 4.3 to 9.8 (p" in lines[-1]
    )  # the note has the table's figures
    assert rows[2][-2] == "best"
    assert "Chance, always answering the largest class: 10.0 %." in lines[-3]
    assert "Holm's correction for 5 comparisons" in lines[-2]


def test_latex_is_a_table_of_booktabs():
    text = ladder_text(RUN.record(), "latex")
    assert text.count(r"\toprule") == text.count(r"\bottomrule") == 1
    assert text.count(r"\midrule") == 4  # below the heading, and between the kinds
    body = text.split(r"\midrule", 1)[1].split(r"\bottomrule")[0]
    rows = [line for line in body.splitlines() if line.endswith(r" \\")]
    assert len(rows) == 6
    assert {row.count(" & ") for row in rows} == {7}
    assert r"$-$75.0 {[}" in text
    assert r"average-svm & all 2 & in-sample & 92.0 {[}89.6, 93.9{]}" in text


def test_names_are_escaped():
    record = renamed(RUN, HOSTILE).record()
    markdown = ladder_text(record, "markdown")
    assert r"a\_b%c\&d\#e\$f\{g\}h\\i\~j^k\|l\<script\>\[m\]\\n\`n\`\*o\*\\u202e |" in markdown
    latex = ladder_text(record, "latex")
    assert (
        r"a\_b\%c\&d\#e\$f\{g\}h\textbackslash{}i\textasciitilde{}j\textasciicircum{}k\textbar{}l"
        r"\textless{}script\textgreater{}{[}m{]}\textbackslash{}n`n`*o*\textbackslash{}u202e & lite0"
    ) in latex
    rows = list(csv.DictReader(io.StringIO(ladder_text(record, "csv"))))
    assert rows[0]["name"] == HOSTILE
    formula = ladder_text(renamed(RUN, "=1+1").record(), "csv")
    assert "'=1+1" in formula


def test_csv_has_all_digits_and_both_protocols():
    official = made_up(kind="official-split", folds=1)
    text = ladder_text(replace(RUN.record(), other=official.record()), "csv")
    rows = list(csv.DictReader(io.StringIO(text)))
    assert [row["protocol"] for row in rows] == ["cross-validation"] * 6 + ["official-split"] * 6
    against = {each.first: each for each in RUN.judged.against_best_single}
    for at, (row, result) in enumerate(zip(rows[:6], [*RUN.results, *RUN.references], strict=True)):
        assert float(row["accuracy"]) == result.accuracy
        assert float(row["interval_95_low"]) == result.interval_95[0]
        assert row["p_holm"] == (str(against[at].p_holm) if at in against else "")
    assert ladder_text(replace(RUN.record(), other=official.record()), "latex").count("tabular") == 4


def test_an_untrained_run_says_so_in_every_table():
    record = made_up(untrained=True).record()
    assert "(untrained)" in ladder_text(record, "markdown")
    for kind in ("markdown", "latex"):
        assert "Untrained networks (random weights), so accuracies mean nothing." in ladder_text(
            record, kind
        )
    assert ",true\n" in ladder_text(record, "csv")


def test_a_comparison_of_runs_is_a_table_too():
    runs = [NamedRecord(name=name, record=RUN.record()) for name in ("results_1", "results_2")]
    found = compare(runs, ["average-svm", "soft-vote"])
    markdown = comparison_text(found, "markdown")
    assert r"| results\_1 | average-svm | 92.0 [89.6, 93.9] | 92.0 |  |  |" in markdown
    assert r"| results\_2 | soft-vote | 91.5 [89.0, 93.5] | 91.5 | -0.5 [" in markdown
    assert "no difference can be claimed" in markdown
    assert r"results\_2 & soft-vote" in comparison_text(found, "latex")
    rows = list(csv.DictReader(io.StringIO(comparison_text(found, "csv"))))
    assert rows[1]["claimed"] == "false"
    assert float(rows[1]["difference"]) < 0
