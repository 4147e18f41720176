"""Bad input gives one error line with a hint, or a report that counts what was skipped."""

import struct
import zlib
from collections.abc import Callable
from pathlib import Path

import pytest
from PIL import Image
from support.commands import HISTOGRAM, Command, chosen, in_a_process, photographs
from support.installing import Site

USAGE, DATASET, PLUGIN, WEIGHTS, STORE, EXTRACTION, EVALUATION, IMAGE = range(2, 10)

WRONG_VALUES = {
    "dataset": (["--dataset", "minst"], "did you mean mnist?"),
    "backbone": (["--backbones", "colour-histogrm"], "did you mean colour-histogram?"),
    "backbone of Keras": (["--backbones", "resnet5O"], "did you mean resnet50"),
    "pattern": (["--backbones", "colours*"], "no backbone matches 'colours*'; did you mean"),
    "empty name": (["--backbones", ""], "contains an empty component name"),
    "learner": (["--learner", "logistc"], "did you mean logistic"),
    "baseline": (["--baseline", "linear-svn"], "did you mean linear-svm"),
    "aggregator": (["--aggregator", "softvote"], "did you mean soft-vote or"),
    "option": (["--backbones", f"{HISTOGRAM}:bin=3"], "has no option 'bin'; did you mean bins?"),
    "type": (["--backbones", f"{HISTOGRAM}:bins=x"], "option bins must be an integer, got 'x'"),
    "value": (["--backbones", f"{HISTOGRAM}:bins=0"], "bins must be from 1 to 16, got 0"),
    "choice": (["--aggregator", "average-svm:fit_on=test"], "must be one of in-sample, out-of-fold"),
    "repeated option": (["--backbones", f"{HISTOGRAM}:bins=2,bins=3"], "sets bins twice"),
    "no probabilities": (
        ["--learner", "linear-svm"],
        "average-svm needs probabilities, which learner linear-svm does",
    ),
    "two protocols": (["--cv", "3", "--split", "official"], "choose one protocol"),
    "shuffled split": (["--shuffle", "--split", "official"], "choose one protocol"),
    "negative seed": (["--seed", "-1"], "--seed must be a whole number from 0 to 4294967295, got -1"),
    "huge seed": (["--seed", str(2**32)], f"must be a whole number from 0 to {2**32 - 1}, got {2**32}"),
    "folds": (["--cv", "0"], "--cv must be at least 2, got 0"),
    "jobs": (["--jobs", "0"], "--jobs must be at least 1, got 0"),
    "inner folds": (["--inner-cv", "1"], "--inner-cv must be at least 2, got 1"),
}


@pytest.mark.parametrize("wrong", WRONG_VALUES)
def test_a_wrong_value_is_refused_with_a_hint(
    wrong: str, stackkit: Command, bird_folder: Path, home: Path
) -> None:
    options, hint = WRONG_VALUES[wrong]
    right = {"--dataset": f"image-folder:root={bird_folder}", "--backbones": HISTOGRAM}
    others = [word for pair in right.items() if pair[0] not in options for word in pair]
    outcome = stackkit("run", *others, *options)
    assert outcome.code == USAGE
    assert hint in outcome.error
    assert not (home / "features").exists()


@pytest.mark.parametrize("command", ["extract", "evaluate"])
def test_both_commands_refuse_a_bad_seed(command: str, stackkit: Command, bird_folder: Path) -> None:
    outcome = stackkit(command, *chosen(bird_folder), "--seed", "-1")
    assert outcome.code == USAGE
    assert "--seed must be" in outcome.error


@pytest.mark.parametrize(
    ("arguments", "hint"),
    [
        (["run", "--datset", "mnist"], "--dataset"),
        (["run"], "--dataset"),
        (["run", "--dataset", "mnist", "--split", "oficial"], "official"),
        (["run", "--dataset", "mnist", "--cv", "three"], "--cv"),
        (["list-plugins", "--kind", "backbon"], "backbone"),
        (["rnu"], "unknown command 'rnu'; did you mean run?"),
    ],
)
def test_a_mistyped_command_line_is_a_usage_error(
    arguments: list[str], hint: str, stackkit: Command
) -> None:
    outcome = stackkit(*arguments)
    assert outcome.code == USAGE
    assert hint in outcome.err
    assert "Traceback" not in outcome.err
    assert outcome.out == ""


def test_debug_shows_where_an_error_arose(stackkit: Command) -> None:
    outcome = stackkit("--debug", "run", "--dataset", "nothing")
    assert outcome.code == USAGE
    assert "Traceback" in outcome.err
    assert outcome.err.splitlines()[-1].startswith("error: unknown dataset 'nothing'")


# --- datasets ----------------------------------------------------------------------------------


def test_a_missing_folder(stackkit: Command, tmp_path: Path) -> None:
    outcome = stackkit("run", *chosen(tmp_path / "nowhere"))
    assert outcome.code == DATASET
    assert "nowhere does not exist" in outcome.error


def test_an_empty_folder(stackkit: Command, tmp_path: Path) -> None:
    outcome = stackkit("run", *chosen(tmp_path))
    assert outcome.code == DATASET
    assert "no class folders" in outcome.error


def test_one_class_only(stackkit: Command, tmp_path: Path) -> None:
    outcome = stackkit("run", *chosen(photographs(tmp_path, only=4)))
    assert outcome.code == DATASET
    assert "only one class (only)" in outcome.error


def test_classes_with_fewer_images_than_folds_are_all_named_before_extraction(
    stackkit: Command, tmp_path: Path, home: Path
) -> None:
    root = photographs(tmp_path, many=6, few=4, fewer=3)
    outcome = stackkit("run", *chosen(root), "--cv", "5")
    assert outcome.code == EVALUATION
    assert "2 classes have fewer usable images than the 5 folds: 'fewer' (3), 'few' (4)" in outcome.error
    assert "use --cv 3" in outcome.error
    assert not (home / "features").exists()


def test_a_missing_official_split(stackkit: Command, bird_folder: Path, home: Path) -> None:
    outcome = stackkit("run", *chosen(bird_folder), "--split", "official")
    assert outcome.code == EVALUATION
    assert "use --cv instead" in outcome.error
    assert not (home / "features").exists()


# --- images ------------------------------------------------------------------------------------


def bomb(path: Path) -> None:
    """A PNG of a few bytes that claims 100,000 x 100,000 pixels."""

    def chunk(kind: bytes, content: bytes) -> bytes:
        check = struct.pack(">I", zlib.crc32(kind + content))
        return struct.pack(">I", len(content)) + kind + content + check

    header = struct.pack(">IIBBBBB", 100_000, 100_000, 8, 2, 0, 0, 0)
    body = chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(bytes(1000))) + chunk(b"IEND", b"")
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + body)


def truncated(path: Path) -> None:
    Image.effect_noise((64, 64), 80).save(path)
    content = path.read_bytes()
    path.write_bytes(content[: len(content) // 2])


def animated(path: Path) -> None:
    frames = [Image.new("RGB", (8, 8), colour) for colour in ("red", "blue")]
    frames[0].save(path, save_all=True, append_images=frames[1:])


BROKEN: dict[str, Callable[[Path], object]] = {
    "bomb.png": bomb,
    "corrupt.jpg": lambda path: path.write_bytes(b"\xff\xd8\xff\xe0" + bytes(range(256))),
    "text.png": lambda path: path.write_text("not an image"),
    "truncated.jpg": truncated,
    "zero.gif": lambda path: path.write_bytes(b""),
}
SOUND: dict[str, Callable[[Path], object]] = {
    "animated.gif": animated,
    "cmyk.jpg": lambda path: Image.new("CMYK", (8, 8), (200, 10, 10, 0)).save(path),
    "dot.png": lambda path: Image.new("RGB", (1, 1), "green").save(path),
    "palette.png": lambda path: Image.new("RGB", (8, 8), "teal").convert("P").save(path),
    "sixteen.png": lambda path: Image.new("I;16", (8, 8), 40_000).save(path),
}


@pytest.fixture
def mixed(tmp_path: Path) -> Path:
    """Two classes, one of them with every kind of broken and of unusual file."""
    root = photographs(tmp_path / "mixed", clean=6, odd=6)
    for name, make in (BROKEN | SOUND).items():
        make(root / "odd" / name)
    return root


def test_broken_images_are_counted_and_the_others_read(stackkit: Command, mixed: Path) -> None:
    document = stackkit("run", *chosen(mixed), "--json").document
    reasons = {failure["id"]: failure["reason"] for failure in document["failed_images"]}
    assert reasons.keys() == {f"odd/{name}" for name in BROKEN}
    assert all(reasons.values())
    assert reasons["odd/zero.gif"] == "the file is empty"
    assert document["n_images"] == 12 + len(SOUND)
    assert document["extraction"] == {HISTOGRAM: {"computed": 12 + len(SOUND), "reused": 0}}
    assert any(f"{len(BROKEN)} image(s) could not be read" in note for note in document["notes"])


def test_the_output_names_images_that_failed_and_why(stackkit: Command, mixed: Path) -> None:
    for command in ("run", "extract"):
        lines = stackkit(command, *chosen(mixed)).out.splitlines()
        failed = [line.split(": ") for line in lines if line.startswith("failed: ")]
        assert [line[1] for line in failed] == [f"odd/{name}" for name in sorted(BROKEN)]


def test_a_second_run_reports_the_same_failures(stackkit: Command, mixed: Path) -> None:
    first, second = (stackkit("run", *chosen(mixed), "--json").document for _ in range(2))
    assert second["failed_images"] == first["failed_images"]
    assert second["results"] == first["results"]
    assert second["extraction"][HISTOGRAM]["computed"] == 0


@pytest.mark.parametrize("command", ["run", "extract", "evaluate"])
def test_strict_stops_at_a_broken_image(command: str, stackkit: Command, mixed: Path) -> None:
    if command == "evaluate":
        stackkit("extract", *chosen(mixed))
    outcome = stackkit(command, *chosen(mixed), "--strict")
    assert outcome.code == IMAGE
    assert outcome.error.startswith("odd/bomb.png: ")


def test_nothing_but_broken_images(stackkit: Command, tmp_path: Path) -> None:
    root = photographs(tmp_path, a=3, b=3)
    for photograph in root.glob("*/*"):
        photograph.write_bytes(b"")
    outcome = stackkit("run", *chosen(root))
    assert outcome.code == EVALUATION
    assert "2 class(es) have no readable image, for example a, b" in outcome.error
    assert "6 image(s) could not be read, first a/000.png: the file is empty" in outcome.error


def test_a_class_without_readable_images_is_an_error(stackkit: Command, tmp_path: Path) -> None:
    root = photographs(tmp_path, a=3, b=3, lost=3)
    for photograph in (root / "lost").iterdir():
        photograph.write_bytes(b"")
    outcome = stackkit("run", *chosen(root))
    assert outcome.code == EVALUATION
    assert "1 class(es) have no readable image, for example lost" in outcome.error


def test_failures_may_leave_too_few_images_for_the_folds(stackkit: Command, tmp_path: Path) -> None:
    root = photographs(tmp_path, a=5, b=5)
    (root / "b" / "000.png").write_bytes(b"")
    outcome = stackkit("run", *chosen(root), "--cv", "5")
    assert outcome.code == EVALUATION
    assert "1 class has fewer usable images than the 5 folds: 'b' (4); use --cv 4" in outcome.error
    assert "first b/000.png: the file is empty; the features of all others are kept" in outcome.error
    document = stackkit("run", *chosen(root), "--cv", "4", "--json").document
    assert document["extraction"] == {HISTOGRAM: {"computed": 0, "reused": 9}}


# --- places to write to ------------------------------------------------------------------------


def test_an_unwritable_out_is_refused_before_extraction(
    stackkit: Command, bird_folder: Path, tmp_path: Path, home: Path
) -> None:
    (tmp_path / "file").write_text("in the way")
    for out in (tmp_path / "file", tmp_path / "file" / "below"):
        outcome = stackkit("run", *chosen(bird_folder), "--out", out)
        assert outcome.code == USAGE
        assert f"--out {out} cannot be written" in outcome.error
    assert not (home / "features").exists()


def test_a_report_is_replaced_only_with_overwrite(
    stackkit: Command, bird_folder: Path, tmp_path: Path
) -> None:
    (tmp_path / "report.json").write_text("precious")
    outcome = stackkit("run", *chosen(bird_folder), "--out", tmp_path)
    assert outcome.code == USAGE
    assert "report.json exists; choose another --out, or pass --overwrite" in outcome.error
    assert (tmp_path / "report.json").read_text() == "precious"
    assert stackkit("run", *chosen(bird_folder), "--out", tmp_path, "--overwrite").code == 0
    assert (tmp_path / "report.json").read_text().startswith("{")


def test_a_store_that_cannot_be_written(stackkit: Command, bird_folder: Path, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    outcome = stackkit("run", *chosen(bird_folder), "--store", tmp_path / "file")
    assert outcome.code == STORE
    assert "cannot be used" in outcome.error


# --- weights and plugins -----------------------------------------------------------------------


@pytest.mark.slow  # Keras is imported to try the download; a needy plugin below has the same hint
def test_missing_weights_offline_name_file_folder_and_usable_backbones(
    site: Site, bird_folder: Path, tmp_path: Path
) -> None:
    offline = {"https_proxy": "http://127.0.0.1:9", "HTTPS_PROXY": "http://127.0.0.1:9"}
    arguments = chosen(bird_folder, "resnet50")
    outcome = in_a_process("run", *arguments, KERAS_HOME=str(tmp_path / "keras"), **offline)
    assert outcome.code == WEIGHTS
    assert "resnet50_weights_tf_dim_ordering_tf_kernels_notop.h5" in outcome.error
    assert f"not found in {tmp_path / 'keras' / 'models'}" in outcome.error
    assert "Backbones that can run now: " in outcome.error
    assert HISTOGRAM in outcome.error.split("can run now: ")[1]


def test_a_missing_weights_file(stackkit: Command, bird_folder: Path) -> None:
    outcome = stackkit("run", *chosen(bird_folder, "resnet50:weights=nowhere.h5"))
    assert outcome.code == WEIGHTS
    assert "file nowhere.h5 does not exist" in outcome.error


def test_a_plugin_that_fails_to_import_does_not_affect_a_run(
    site: Site, stackkit: Command, bird_folder: Path
) -> None:
    site.install("broken-plugin", "import does_not_exist")
    assert stackkit("run", *chosen(bird_folder)).code == 0
    hint = stackkit("run", *chosen(bird_folder, "what-broken-plugin-offers")).error
    assert "failed to load: broken-plugin; see" in hint


FAULTY = """
    import numpy as np
    from stackkit.api import BackboneSpec, LearnerSpec, hookimpl

    @hookimpl
    def stackkit_backbones():
        return [
            BackboneSpec(name=name, summary="", factory=f"faulty:{factory}")
            for name, factory in (
                ("nan", "Nan"), ("narrow", "Narrow"), ("raising", "Raising"), ("absent", "Absent"),
                ("needy", "Needy"),
            )
        ]

    @hookimpl
    def stackkit_learners():
        return [LearnerSpec(name="stubborn", summary="", factory="faulty:Stubborn")]

    class Narrow:
        image_size, feature_dim, revision, trained = 8, 3, "1", True

        def extract(self, images):
            return np.zeros((len(images), 2), np.float32)

    class Nan(Narrow):
        def extract(self, images):
            return np.full((len(images), 3), np.nan, np.float32)

    class Raising(Narrow):
        def extract(self, images):
            raise RuntimeError("out of luck")

    class Needy(Narrow):
        @property
        def revision(self):
            from stackkit.api import WeightsError
            raise WeightsError("needy.h5 not found in models")

    class Stubborn:
        def fit(self, X, y):
            raise ValueError("I do not learn")
"""


@pytest.mark.parametrize(
    ("backbone", "code", "hint"),
    [
        ("nan", EXTRACTION, "NaN or infinite features for "),
        (
            "narrow",
            EXTRACTION,
            "must return features of shape (4, 3) and dtype float32, got shape (4, 2)",
        ),
        ("raising", EXTRACTION, "raising (from faulty) failed: RuntimeError: out of luck"),
        ("absent", PLUGIN, "faulty/absent (faulty 1.0) cannot be imported"),
        ("needy", WEIGHTS, f"needy.h5 not found in models. Backbones that can run now: {HISTOGRAM}"),
    ],
)
def test_a_faulty_third_party_backbone_is_named(
    backbone: str, code: int, hint: str, site: Site, stackkit: Command, bird_folder: Path
) -> None:
    site.install("faulty", FAULTY)
    outcome = stackkit("run", *chosen(bird_folder, backbone))
    assert outcome.code == code
    assert hint in outcome.error


def test_a_learner_that_raises_is_named_with_its_distribution(
    site: Site, stackkit: Command, bird_folder: Path
) -> None:
    site.install("faulty", FAULTY)
    outcome = stackkit("run", *chosen(bird_folder), "--learner", "stubborn")
    assert outcome.code == PLUGIN
    assert "faulty/stubborn (faulty 1.0) failed: ValueError: I do not learn" in outcome.error


def test_an_invalid_learner_option_is_refused_before_extraction(stackkit, bird_folder, home):
    done = stackkit("run", "--dataset", f"image-folder:root={bird_folder}", "--learner", "logistic:C=-1")
    assert done.code == 2
    assert "option C must be > 0, got -1.0" in done.err
    assert not list(home.rglob("*.h5"))
