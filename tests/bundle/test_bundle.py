import hashlib
import json
import subprocess
import zipfile
from pathlib import Path

import numpy as np
import pytest

from stackkit.api.errors import BundleError
from stackkit.api.state import State
from stackkit.bundle import open_bundle, write_bundle


def states() -> dict[str, State]:
    rng = np.random.default_rng(0)
    inner = State(values={"C": 0.1, "names": ["ä", "b"]}, arrays={"coef": rng.normal(size=(3, 4))})
    arrays = {
        "f": np.asfortranarray(rng.normal(size=(5, 2)).astype(np.float32)),
        "big": np.arange(6, dtype=">i4").reshape(2, 3),
        "scalar": np.array(np.float64(1) / 3),
        "none": np.zeros((0, 7), np.float16),
        "flags": np.array([True, False]),
        "nan": np.array([np.nan, np.inf, -0.0]),
    }
    return {
        "aggregator": State(values={"n": 3}, arrays=arrays, parts={"learner": inner}),
        "empty": State(),
    }


def same(one: State, other: State) -> bool:
    return (
        one.values == other.values
        and one.arrays.keys() == other.arrays.keys()
        and all(
            a.dtype.newbyteorder("=") == b.dtype
            and a.shape == b.shape
            and a.astype(b.dtype).tobytes() == b.tobytes()
            for a, b in ((one.arrays[key], other.arrays[key]) for key in one.arrays)
        )
        and one.parts.keys() == other.parts.keys()
        and all(same(one.parts[key], other.parts[key]) for key in one.parts)
    )


@pytest.fixture
def bundle(tmp_path: Path) -> Path:
    path = tmp_path / "birds.stackkit"
    write_bundle(path, {"classes": ["a", "b"]}, states(), {"weights/0.h5": b"weights" * 1000})
    return path


def test_what_was_written_is_read_bit_for_bit(bundle: Path, tmp_path: Path):
    with open_bundle(bundle) as opened:
        opened.verify()
        assert opened.manifest["classes"] == ["a", "b"]
        assert all(same(state, opened.state(name)) for name, state in states().items())
        assert opened.files == ("weights/0.h5",)
        assert opened.file("weights/0.h5") == b"weights" * 1000
        copy = opened.extract("weights/0.h5", tmp_path)
        assert copy.read_bytes() == b"weights" * 1000


def test_standard_tools_read_it(bundle: Path, tmp_path: Path):
    with zipfile.ZipFile(bundle) as archive:
        assert archive.testzip() is None
        manifest = json.loads(archive.read("manifest.json"))
        for name, facts in manifest["members"].items():
            assert hashlib.sha256(archive.read(name)).hexdigest() == facts["sha256"]
        archive.extractall(tmp_path / "all")
    check = ["sha256sum", "-c", "manifest.sha256"]
    assert subprocess.run(check, cwd=tmp_path / "all", check=False).returncode == 0


def test_the_same_model_gives_the_same_bytes(bundle: Path, tmp_path: Path):
    write_bundle(
        tmp_path / "again",
        {"classes": ["a", "b"]},
        {
            name: State(values=s.values, arrays=dict(reversed(s.arrays.items())), parts=s.parts)
            for name, s in states().items()
        },
        {"weights/0.h5": b"weights" * 1000},
    )
    assert (tmp_path / "again").read_bytes() == bundle.read_bytes()


def test_a_file_that_exists_is_not_overwritten_unless_asked(bundle: Path):
    before = bundle.read_bytes()
    with pytest.raises(BundleError, match="exists; choose another name, or pass --overwrite"):
        write_bundle(bundle, {}, {}, {})
    assert bundle.read_bytes() == before
    write_bundle(bundle, {}, {}, {}, overwrite=True)
    with open_bundle(bundle) as opened:
        assert opened.files == ()
