"""Results as CSV, JSON, lines of JSON and Parquet; and files that grow until all images are done."""

import csv
import io
import json
from dataclasses import replace

import pytest

from stackkit.api.dataset import FailedImage
from stackkit.api.errors import StackkitError, UsageError
from stackkit.prediction.outputs import Csv, Json, JsonLines, parquet_file
from stackkit.prediction.record import Candidate, Prediction, Vote
from stackkit.prediction.result_file import made_with, result_file
from stackkit.prediction.rows import columns, row

RECORD = Prediction(
    source="a, b.jpg",
    label="crow",
    probability=0.75,
    accepted=True,
    top=(Candidate(label="crow", probability=0.75), Candidate(label="gull", probability=0.25)),
    votes=(Vote(learner="logistic", backbone="lite0", label="gull", probability=0.5),),
    novelty=0.125,
    novel=False,
    remarks=("turned", "damaged"),
)
FAILURE = FailedImage(id="broken.jpg", reason="the file is empty")
NAMES = columns(2, 1)


def texts(make) -> str:
    stream = io.StringIO()
    output = make(stream)
    output.write(RECORD, "out/crow/a.jpg")
    output.write(FAILURE, None)
    output.finish({"failed": 1})
    return stream.getvalue()


def test_each_format_has_every_image_also_those_that_cannot_be_read():
    document = json.loads(texts(lambda stream: Json(stream, {"model": "m"})))
    lines = [json.loads(line) for line in texts(JsonLines).splitlines()]
    summary = {"failed": 1}
    record, failure = lines
    assert document == {"model": "m", "predictions": [record], "failed": [failure], "summary": summary}
    assert lines[0]["top"][1] == {"label": "gull", "probability": 0.25}
    assert lines[0]["target"] == "out/crow/a.jpg"
    assert lines[1] == {"source": "broken.jpg", "error": "the file is empty"}
    record, failure = csv.DictReader(io.StringIO(texts(lambda stream: Csv(stream, NAMES))))
    assert list(record) == NAMES
    assert record | {"source": "a, b.jpg", "remarks": "turned; damaged", "vote_1": "gull"} == record
    assert record | {"top_2": "gull", "top_2_probability": "0.25", "accepted": "true"} == record
    assert {name: text for name, text in failure.items() if text} == lines[1]


def test_a_table_obeys_no_control_characters_of_class_names():
    evil = "gull\x1b]0;evil\x07\nsecond"
    record = replace(
        RECORD,
        label=evil,
        top=(Candidate(label=evil, probability=0.75),),
        votes=(Vote(learner=evil, backbone=evil, label=evil, probability=0.5),),
    )
    stream = io.StringIO()
    Csv(stream, NAMES).write(record, None)
    assert len(stream.getvalue().splitlines()) == 2
    assert all(character.isprintable() or character == "\n" for character in stream.getvalue())
    assert row(record)["top_1"] == r"gull\x1b]0;evil\x07\nsecond"


def test_a_document_without_images_is_valid_json():
    stream = io.StringIO()
    Json(stream, {"acceptance": None}).finish({"failed": 0})
    assert json.loads(stream.getvalue()) == {
        "acceptance": None,
        "predictions": [],
        "failed": [],
        "summary": {"failed": 0},
    }


def test_a_parquet_file_has_typed_columns_and_is_whole_or_absent(tmp_path, monkeypatch):
    pq = pytest.importorskip("pyarrow.parquet")
    monkeypatch.setattr("stackkit.prediction.outputs.ROWS", 2)
    path = tmp_path / "new/out.parquet"
    with parquet_file(path, NAMES, overwrite=False) as output:
        for _ in range(3):
            output.write(RECORD, None)
        output.write(FAILURE, None)
        output.write(FAILURE, None)
        output.finish({})
    rows = pq.read_table(path).to_pylist()
    assert [row["source"] for row in rows] == ["a, b.jpg"] * 3 + ["broken.jpg"] * 2
    assert (rows[0]["novel"], rows[0]["novelty"], rows[4]["label"]) == (False, 0.125, None)
    with pytest.raises(UsageError, match="exists; --overwrite replaces it"):
        interrupted(path, overwrite=False)
    with pytest.raises(KeyboardInterrupt):
        interrupted(path, overwrite=True)
    assert len(pq.read_table(path)) == 5
    assert [each.name for each in path.parent.iterdir()] == ["out.parquet"]


def interrupted(path, *, overwrite: bool) -> None:
    with parquet_file(path, NAMES, overwrite=overwrite) as output:
        output.write(RECORD, None)
        raise KeyboardInterrupt


@pytest.mark.parametrize("ending", ["csv", "jsonl"])
def test_wherever_a_file_of_results_is_cut_it_goes_on_without_a_lost_or_doubled_row(tmp_path, ending):
    path = tmp_path / f"results.{ending}"
    sources = ["a.jpg", "=b, c.jpg", 'quote".jpg', "ümlaut.jpg", "-d.jpg"]

    def go_on() -> None:
        with result_file(path, NAMES, "model a") as file:
            for source in sources:
                if file.key(source) not in file.done:
                    file.write(replace(RECORD, source=source), None)

    go_on()
    whole = path.read_bytes()
    assert len(whole.splitlines()) == len(sources) + (ending == "csv")
    ends = [i for i, byte in enumerate(whole) if byte == ord("\n")]
    for cut in {0, 1, *range(0, len(whole), 97), *ends, *(end + 1 for end in ends)}:
        path.write_bytes(whole[:cut])
        go_on()
        assert path.read_bytes() == whole


@pytest.mark.parametrize(
    ("name", "text", "error"),
    [
        ("results.txt", "", r"--resume must be a \.csv or \.jsonl file, got .*results\.txt"),
        ("photos.csv", "name,size\n", r"photos\.csv: line 1 is no result of this command"),
        ("log.jsonl", '{"event": 1}\n', r"log\.jsonl: line 1 is no result"),
        ("list.jsonl", "[]\n", r"list\.jsonl: line 1 is no result"),
        ("zeros.jsonl", "\0\0\0\n", r"zeros\.jsonl: line 1 is no result"),
        ("notes.csv", "one line without an end", r"notes\.csv: line 1 is no result"),
        ("notes.jsonl", '{"one": "line without an end"}', r"notes\.jsonl: line 1 is no result"),
    ],
)
def test_a_file_of_something_else_is_refused_and_stays_as_it_is(tmp_path, name, text, error):
    path = tmp_path / name
    path.write_text(text)
    with pytest.raises(UsageError, match=error), result_file(path, NAMES, "model a"):
        pass
    assert path.read_text() == text


@pytest.mark.parametrize("ending", ["csv", "jsonl"])
def test_rows_of_another_model_or_with_other_settings_are_never_mixed(tmp_path, ending):
    path = tmp_path / f"results.{ending}"
    made = [made_with("ab" * 32, 5, None), made_with("ab" * 32, 5, 0.5), made_with("cd" * 32, 5, None)]
    with result_file(path, NAMES, made[0]) as file:
        file.write(RECORD, None)
    before = path.read_bytes()
    for other in made[1:]:
        error = f"was made with 'model abababababab top 5', and this command makes '{other}'"
        with pytest.raises(UsageError, match=error), result_file(path, NAMES, other):
            pass
    assert path.read_bytes() == before


def test_two_processes_never_write_one_file_of_results(tmp_path):
    path = tmp_path / "results.csv"
    with (
        result_file(path, NAMES, "model a"),
        pytest.raises(StackkitError, match="is being written by another process"),
        result_file(path, NAMES, "model a"),
    ):
        pass
