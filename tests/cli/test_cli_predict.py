"""`stackkit predict` labels files with a saved model, and passes on every result exactly once."""

import csv
import io
import json
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from PIL import Image
from support.commands import in_a_process, python, variables
from support.models import COLOURS_PLUGIN, coloured, coloured_folder, small_model

from stackkit.model.saved import save_model
from stackkit.prediction.predictor import Predictor


@pytest.fixture(scope="module")
def bundle(tmp_path_factory) -> Path:
    path = tmp_path_factory.mktemp("model") / "colours.stackkit"
    save_model(small_model(aggregator="soft-vote"), path)
    return path


@pytest.fixture(autouse=True)
def colours(site, monkeypatch) -> None:
    """The backbones of the model are in a plugin of one file."""
    monkeypatch.setenv("STACKKIT_PLUGIN_FILES", str(COLOURS_PLUGIN))


@pytest.fixture
def photos(tmp_path, monkeypatch) -> Path:
    """Six good images and two bad ones; the current folder is above."""
    folder = coloured_folder(tmp_path / "photos", 2, seed=5)
    (folder / "empty.jpg").write_bytes(b"")
    (folder / "text.jpg").write_text("not an image")
    (folder / "notes.txt").write_text("")
    (folder / ".hidden.png").write_bytes(b"")
    monkeypatch.chdir(tmp_path)
    return Path("photos")


GOOD = [
    f"photos/{name}/{i:03}.png"
    for i, name in enumerate(n for n in ("blue", "green", "red") for _ in "12")
]


def test_a_table_has_a_line_per_image_and_stderr_what_else_there_is_to_know(bundle, photos, stackkit):
    outcome = stackkit("predict", bundle, photos)
    assert outcome.code == 1
    lines = outcome.out.splitlines()
    assert [line.split()[-1] for line in lines] == GOOD
    assert [line.split()[-2] for line in lines] == [path.split("/")[1] for path in GOOD]
    assert all(line[:6].strip().endswith("%") for line in lines)
    for said in (
        "failed: photos/empty.jpg: the file is empty",
        "failed: photos/text.jpg: cannot identify image file",
        "left out: files without an image extension: 1",
        "left out: hidden files and folders: 1",
        "labelled: 6",
        "could not be read: 2",
    ):
        assert said in outcome.err
    assert stackkit("predict", bundle, *GOOD).code == 0


def test_every_format_says_the_same_and_what_python_says(bundle, photos, stackkit, tmp_path):
    document = json.loads(stackkit("predict", bundle, photos, "--json", "--top", "2").out)
    lines = stackkit("predict", bundle, photos, "--jsonl", "--top", "2").out.splitlines()
    table = stackkit("predict", bundle, photos, "--csv", "--top", "2", "--parquet", "p.parquet").out
    predictor = Predictor(small_model(aggregator="soft-vote"), top=2)
    records = [json.loads(json.dumps(each.document())) for each in predictor.predict_files(GOOD)]
    assert document["predictions"] == records
    assert document["summary"]["labelled"] == 6
    assert [each["source"] for each in document["failed"]] == ["photos/empty.jpg", "photos/text.jpg"]
    found = list(map(json.loads, lines))
    assert [each for each in found if "error" not in each] == records
    rows = list(csv.DictReader(io.StringIO(table)))
    assert [row["source"] for row in rows] == [each["source"] for each in found]
    assert [float(row["probability"]) for row in rows[2:]] == [each["probability"] for each in records]
    pq = pytest.importorskip("pyarrow.parquet")
    assert [row["top_2"] for row in pq.read_table("p.parquet").to_pylist()][2:] == [
        each["top"][1]["label"] for each in records
    ]


def test_labels_below_a_threshold_are_marked_and_what_is_expected_is_said(bundle, photos, stackkit):
    outcome = stackkit("predict", bundle, photos, "--min-confidence", "1")
    assert outcome.err.startswith("labels of 100.0% or more are accepted")
    assert {line[7] for line in outcome.out.splitlines()} <= {"?", "*"}
    assert "below the threshold: look at these images yourself" in outcome.err
    document = json.loads(stackkit("predict", bundle, *GOOD, "--min-confidence", "0", "--json").out)
    assert document["acceptance"]["coverage"] == 1
    aimed = json.loads(stackkit("predict", bundle, *GOOD, "--target-precision", "0.9", "--json").out)
    assert aimed["acceptance"]["precision"] >= 0.9
    least = aimed["acceptance"]["confidence"]
    assert [each["accepted"] for each in aimed["predictions"]] == [
        each["probability"] >= least for each in aimed["predictions"]
    ]


def test_paths_come_from_standard_input(bundle, photos, stackkit, monkeypatch):
    Image.open(GOOD[0]).save("with\nline end.png")
    for text, options in (("\n".join(GOOD[:2]), ["-"]), ("with\nline end.png\0", ["-0", "-"])):
        monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(text.encode())))
        outcome = stackkit("predict", bundle, *options, "--jsonl")
        assert outcome.code == 0
        assert len(outcome.out.splitlines()) == text.count("\n") + 1 if options == ["-"] else 1


def test_images_are_sorted_into_folders_and_a_dry_run_changes_nothing(bundle, photos, stackkit):
    before = sorted(Path().rglob("*"))
    plan = stackkit("predict", bundle, photos, "--sort-into", "sorted", "--dry-run", "--json")
    assert sorted(Path().rglob("*")) == before
    targets = [each["target"] for each in json.loads(plan.out)["predictions"]]
    for _ in range(2):  # also into a folder below the one that is read
        outcome = stackkit("predict", bundle, photos, "--sort-into", "sorted")
        assert [line.split(" -> ")[1] for line in outcome.out.splitlines()] == targets
    assert sorted(str(path) for path in Path("sorted").rglob("*.png")) == sorted(targets)
    inside = stackkit("predict", bundle, photos, "--move-to", "photos/sorted", "--how", "link")
    again = stackkit("predict", bundle, photos, "--move-to", "photos/sorted", "--how", "link")
    assert again.out == inside.out
    assert "left out: files in the folder that receives the sorted images: 1" in again.err


@pytest.mark.parametrize(
    ("arguments", "code", "error"),
    [
        (["missing.stackkit", "photos"], 11, "missing.stackkit"),
        (["MODEL", "nothing/"], 9, "none of the 1 images could be read"),
        (["MODEL", "empty"], 2, "no images in empty"),
        (["MODEL", "photos", "--json", "--csv"], 2, "--json and --csv cannot be combined"),
        (["MODEL", "photos", "-0"], 2, "-0 is about the list on standard input; add - to the paths"),
        (["MODEL", "photos", "--dry-run"], 2, "--dry-run needs --sort-into DIR"),
        (["MODEL", "photos", "--overwrite"], 2, "--overwrite needs --parquet FILE"),
        (["MODEL", "photos", "--sort-into", "s", "--dry-run", "--resume", "r.csv"], 2, "count as done"),
        (["MODEL", "photos", "--how", "link"], 2, "--how link needs --sort-into DIR"),
        (["MODEL", "photos", "--top", "0"], 2, "--top must be at least 1, got 0"),
        (["MODEL", "photos", "--min-confidence", "2"], 2, "min_confidence must be from 0 to 1, got 2"),
    ],
)
def test_what_cannot_be_done_is_refused_in_one_line(bundle, photos, stackkit, arguments, code, error):
    Path("empty").mkdir()
    outcome = stackkit("predict", *(bundle if each == "MODEL" else each for each in arguments))
    assert (outcome.code, error in outcome.error) == (code, True), outcome.err


def test_a_run_that_is_killed_goes_on_without_a_lost_or_doubled_image_or_a_slow_import(
    bundle, tmp_path, monkeypatch
):
    check_stops(bundle, tmp_path, monkeypatch, signals=[signal.SIGKILL])


@pytest.mark.slow
@pytest.mark.parametrize("ending", ["csv", "jsonl"])
def test_many_stops(bundle, tmp_path, monkeypatch, ending):
    signals = [*[signal.SIGKILL] * 12, *[signal.SIGINT] * 4]
    check_stops(bundle, tmp_path, monkeypatch, signals=signals, count=2000, ending=ending)


SLOW_IMPORTS = ("tensorflow", "keras", "torch", "sklearn", "scipy", "mlxtend", "pandas", "joblib")


def imported(*arguments, code=0) -> list[str]:
    """Run a command in a process; return which of the slow packages it imports."""
    program = f"""
import sys
from stackkit.cli.main import main
code = main(sys.argv[1:])
print([name for name in {SLOW_IMPORTS} if name in sys.modules], file=sys.stderr)
sys.exit(code)
"""
    outcome = python("-c", program, *arguments)
    assert outcome.code == code, outcome.err
    return json.loads(outcome.err.splitlines()[-1].replace("'", '"'))


def check_stops(bundle, tmp_path, monkeypatch, *, signals, count=200, ending="csv"):
    monkeypatch.chdir(tmp_path)
    Path("many").mkdir()
    for i in range(count):
        coloured(i % 3, i, size=(160, 120)).save(f"many/{i:04}.jpg")
    (tmp_path / "many/0050.jpg").write_bytes(b"")
    results = tmp_path / f"results.{ending}"
    command = [sys.executable, "-m", "stackkit", "predict", bundle, "many", "--resume", results]
    command += ["--sort-into", "sorted", "--progress", "none"]
    chance = random.Random(0)
    for number in signals:
        size = results.stat().st_size if results.exists() else 0
        with subprocess.Popen(
            list(map(str, command)), env=variables(), stdout=subprocess.DEVNULL
        ) as child:
            deadline = time.monotonic() + 100
            while child.poll() is None and time.monotonic() < deadline:
                if results.exists() and results.stat().st_size > size + chance.randrange(1, 2000):
                    child.send_signal(number)
                    break
                time.sleep(0.001)
            assert child.wait(100) in (130, -number)
    assert imported(*command[3:], code=1) == []
    text = results.read_text()
    if ending == "csv":
        sources = [row["source"] for row in csv.DictReader(io.StringIO(text))]
    else:
        sources = [json.loads(line)["source"] for line in text.splitlines()]
    assert sources == [f"many/{i:04}.jpg" for i in range(count)]
    placed = sorted(path.name for path in Path("sorted").rglob("*") if path.is_file())
    assert placed == [f"{i:04}.jpg" for i in range(count) if i != 50]


@pytest.mark.slow
def test_a_reader_that_has_seen_enough_ends_the_command(bundle, photos):
    command = [sys.executable, "-m", "stackkit", "predict", str(bundle), *GOOD, "--jsonl"]
    with subprocess.Popen(
        command, env=variables(), stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as child:
        child.stdout.close()
        assert child.wait(100) == 0
        assert b"Traceback" not in child.stderr.read()


@pytest.mark.slow
def test_a_network_that_is_converted_needs_no_tensorflow(bird_folder, tmp_path):
    pytest.importorskip("openvino")
    model = tmp_path / "birds.stackkit"
    image = next(bird_folder.rglob("*.jpg"))
    trained = in_a_process(
        *("train", "--dataset", f"image-folder:root={bird_folder}", "--backbones", "efficientnet-lite0"),
        *("--aggregator", "average-svm", "--out", model),
    )
    assert trained.code == 0, trained.err
    assert imported("predict", model, image) is not None, "it may be set up now"
    assert imported("predict", model, image) == []


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_a_file_without_permission_is_reported(bundle, photos, stackkit):
    Path(GOOD[0]).chmod(0)
    outcome = stackkit("predict", bundle, GOOD[0], GOOD[1])
    assert outcome.code == 1
    assert f"failed: {GOOD[0]}: permission denied" in outcome.err


def test_names_that_are_no_text_are_labelled_and_written_as_escapes(
    bundle, tmp_path, stackkit, monkeypatch
):
    monkeypatch.chdir(tmp_path)
    name = os.fsdecode(b"caf\xe9 =1.png")
    try:
        coloured(1, 1).save(name)
    except OSError:
        pytest.skip("this file system takes valid text only")
    document = json.loads(stackkit("predict", bundle, ".", "--json").out)
    assert document["predictions"][0]["source"] == "./caf\\udce9 =1.png"
    table = stackkit("predict", bundle, ".", "--csv", "--resume", "r.csv", "--sort-into", "out")
    kept = [line.rpartition(",") for line in Path("r.csv").read_text().splitlines()]
    assert table.out.splitlines() == [line for line, *_ in kept]
    assert kept[1][2].startswith("model ")
    assert "out/green/caf\\udce9 =1.png" in table.out
    assert Path("out/green", name).exists()
    again = stackkit("predict", bundle, ".", "--resume", "r.csv", "--sort-into", "out")
    assert "labelled: 0, and 1 before" in again.err
    unsorted = stackkit("predict", bundle, ".", "--resume", "r.csv")
    assert "sorted', and this command makes 'model " in unsorted.error
