import hashlib
import json
import subprocess
import zipfile
from dataclasses import replace
from pathlib import Path

import pytest
from support.bundles import WEIGHTS, manifest, states, write

from stackkit.api.errors import BundleError
from stackkit.api.state import State
from stackkit.bundle import open_bundle


def same(one: State, other: State) -> bool:
    return (
        one.values == other.values
        and one.arrays.keys() == other.arrays.keys()
        and all(
            a.dtype.newbyteorder("=") == b.dtype
            and a.shape == b.shape
            and a.astype(b.dtype).tobytes() == b.tobytes()
            and b.flags.writeable
            for a, b in ((one.arrays[key], other.arrays[key]) for key in one.arrays)
        )
        and one.parts.keys() == other.parts.keys()
        and all(same(one.parts[key], other.parts[key]) for key in one.parts)
    )


@pytest.fixture
def bundle(tmp_path: Path) -> Path:
    return write(tmp_path / "birds.stackkit")


def test_what_was_written_is_read_bit_for_bit(bundle: Path, tmp_path: Path):
    with open_bundle(bundle) as opened:
        opened.verify()
        assert opened.manifest == manifest()
        assert all(same(state, opened.state(name)) for name, state in states().items())
        assert opened.files == ("weights/tiny.h5",)
        assert opened.file("weights/tiny.h5") == WEIGHTS
        assert opened.extract("weights/tiny.h5", tmp_path).read_bytes() == WEIGHTS
        with pytest.raises(BundleError, match="exists"):
            opened.extract("weights/tiny.h5", tmp_path)


def test_standard_tools_read_it(bundle: Path, tmp_path: Path):
    with zipfile.ZipFile(bundle) as archive:
        assert archive.testzip() is None
        document = json.loads(archive.read("manifest.json"))
        for name, facts in document["members"].items():
            assert hashlib.sha256(archive.read(name)).hexdigest() == facts["sha256"]
        archive.extractall(tmp_path / "all")
    check = ["sha256sum", "-c", "manifest.sha256"]
    assert subprocess.run(check, cwd=tmp_path / "all", check=False).returncode == 0


def test_the_same_model_gives_the_same_bytes(bundle: Path, tmp_path: Path):
    turned = {
        name: replace(state, arrays=dict(reversed(state.arrays.items())))
        for name, state in states().items()
    }
    assert write(tmp_path / "again", states=turned).read_bytes() == bundle.read_bytes()


def test_a_file_that_exists_is_not_overwritten_unless_asked(bundle: Path):
    before = bundle.read_bytes()
    with pytest.raises(BundleError, match="exists; choose another name, or pass --overwrite"):
        write(bundle, manifest=manifest(licence="another"))
    assert bundle.read_bytes() == before
    write(bundle, manifest=manifest(licence="another"), overwrite=True)
    with open_bundle(bundle) as opened:
        assert opened.manifest.licence == "another"
