import json
import os
import pickle
import stat
import struct
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import safetensors.numpy
from support.bundles import WEIGHTS, forge, pack, read_everything, write

from stackkit.api.errors import BundleError

ARRAYS = "states__aggregator_dot_safetensors"
TEXT = "states__aggregator_dot_json"


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write(tmp_path_factory.mktemp("bundle") / "birds.stackkit")


def refusal(path: Path) -> str:
    with pytest.raises(BundleError) as caught:
        read_everything(path)
    text = str(caught.value)
    assert "\n" not in text
    assert str(path) in text
    assert len(text) < 900
    return text


def replaced(old: bytes, new: bytes, count: int = -1) -> Callable[[bytes], bytes]:
    def edit(data: bytes) -> bytes:
        assert old in data
        return data.replace(old, new, count)

    return edit


def central(data: bytes, name: bytes, offset: int, value: bytes) -> bytes:
    """Set bytes in the directory entry of a member."""
    place = data.rindex(name) - 46 + offset
    return data[:place] + value + data[place + len(value) :]


def both(data: bytes, name: bytes, offset: int, value: bytes) -> bytes:
    """Set a field in both headers of a member; `offset` is that in the directory."""
    data = central(data, name, offset, value)
    place = data.index(name) - 30 + offset - 2
    return data[:place] + value + data[place + len(value) :]


NAME = b"states/learner-0.json"
CONTAINERS: dict[str, tuple[Callable[[bytes], bytes], str]] = {
    "nothing": (lambda _: b"", "it is empty"),
    "a text": (lambda _: b"birds" * 100, "does not end as a zip file"),
    "a short text": (lambda _: b"birds", "too short for a zip"),
    "cut": (lambda data: data[:-1], "does not end as a zip file"),
    "leading data": (lambda data: b"#!/bin/sh\n" + data, "directory does not end where"),
    "trailing data": (lambda data: data + b"x", "does not end as a zip file"),
    "a comment": (lambda data: data[:-2] + b"\x04\x00evil", "does not end as a zip file"),
    "a hole": (lambda data: data[:40] + b"x" + data[40:], "directory does not end where"),
    "two archives": (lambda data: data + data, "directory does not end where"),
    "compressed": (lambda data: both(data, NAME, 10, b"\x08\x00"), "does not write (compressed"),
    "encrypted": (
        lambda data: both(data, NAME, 8, b"\x01\x00"),
        "(compressed, encrypted",
    ),
    "streamed": (lambda data: both(data, NAME, 8, b"\x08\x00"), "does not write"),
    "a link": (lambda data: central(data, NAME, 38, struct.pack("<I", 0o120777 << 16)), "a link"),
    "a folder": (lambda data: central(data, NAME, 38, struct.pack("<I", 0o040755 << 16)), "a folder"),
    "another disk": (lambda data: central(data, NAME, 34, b"\x01\x00"), "does not write"),
    "extra field": (lambda data: central(data, NAME, 30, b"\x01\x00"), "does not write"),
    "a size of zip64": (lambda data: both(data, NAME, 20, b"\xff" * 8), "does not begin where"),
    "wrong checksum": (lambda data: both(data, NAME, 16, b"\0\0\0\0"), "not what the manifest says"),
    "other checksum": (lambda data: central(data, NAME, 16, b"\0\0\0\0"), "differs from the"),
    "other size": (
        lambda data: central(data, NAME, 20, b"\x01\0\0\0\x01\0\0\0"),
        "differs from the",
    ),
    "two names for a member": (
        lambda data: data.replace(NAME, NAME.replace(b"0", b"1"), 1),
        "differs from the directory",
    ),
    "overlap": (lambda data: central(data, b"states/aggregator.json", 42, b"\0\0\0\0"), "does not"),
    "upwards": (replaced(NAME, b"../../../../x/abc.txt"), "cannot be the name"),
    "absolute": (replaced(NAME, b"/etc/cron.d/birds-job"), "cannot be the name"),
    "backslash": (replaced(NAME, b"states\\learner-0.json"), "cannot be the name"),
    "a null": (replaced(NAME, b"states/learner\x000.json"), "cannot be the name"),
    "a newline": (replaced(NAME, b"states/learner\n0.json"), r"learner\n0.json' cannot be the name"),
    "escape sequences": (replaced(NAME, b"states/lea\x1b[31mx.json"), "cannot be the name"),
    "count": (lambda data: data[:-12] + b"\xff\xff" + data[-10:], "65,535 members"),
    "fewer": (lambda data: data[:-12] + b"\x01\x00" + data[-10:], "belongs to no member"),
    "more": (lambda data: data[:-12] + b"\x1e\x00" + data[-10:], "too short for 30 members"),
    "size of directory": (lambda data: data[:-10] + b"\xff" * 4 + data[-6:], "members"),
    "an altered byte": (replaced(WEIGHTS[:20], b"W" * 20, 1), "the content of weights/tiny.h5 is not"),
}


@pytest.mark.parametrize("attack", CONTAINERS)
def test_an_archive_of_another_form_is_refused_in_one_line(attack: str, bundle: Path, tmp_path: Path):
    change, expected = CONTAINERS[attack]
    path = tmp_path / "attack"
    path.write_bytes(change(bundle.read_bytes()))
    assert expected in refusal(path)


def header(edit: Callable[[dict[str, Any]], Any]) -> Callable[[bytes], bytes]:
    """Change the description of arrays in safetensors."""

    def change(data: bytes) -> bytes:
        end = 8 + int.from_bytes(data[:8], "little")
        described = json.loads(data[8:end])
        text = json.dumps(edit(described) or described).encode()
        return len(text).to_bytes(8, "little") + text + data[end:]

    return change


def arrays(**found: Any) -> Callable[[bytes], bytes]:
    return lambda _: safetensors.numpy.save(found)


def state(**fields: Any) -> Callable[[bytes], bytes]:
    return lambda data: json.dumps(json.loads(data) | fields).encode()


def deep(levels: int) -> dict[str, Any]:
    part: dict[str, Any] = {"values": {}, "arrays": [], "parts": {}}
    return part if not levels else part | {"parts": {"p": deep(levels - 1)}}


def setting(**fields: Any) -> Callable[[dict[str, Any]], dict[str, Any]]:
    return lambda document: document | fields


class Evil:
    def __reduce__(self) -> Any:
        return os.system, ("touch /tmp/executed-by-a-bundle",)


CONTENTS: dict[str, tuple[dict[str, Any], str]] = {
    "header too long": ({ARRAYS: lambda data: b"\xff" * 8 + data[8:]}, "header of arrays has"),
    "arrays cut": ({ARRAYS: lambda data: data[:-1]}, "not valid safetensors"),
    "no arrays": ({ARRAYS: b""}, "not valid safetensors"),
    "arrays and more": ({ARRAYS: lambda data: data + b"x"}, "not valid safetensors"),
    "absurd shape": (
        {ARRAYS: header(lambda found: found["f"].update(shape=[2**60, 2**60]))},
        "not valid safetensors",
    ),
    "negative shape": ({ARRAYS: header(lambda found: found["f"].update(shape=[-1]))}, "safetensors"),
    "other shape": ({ARRAYS: header(lambda found: found["f"].update(shape=[7]))}, "safetensors"),
    "empty shape of many dimensions": (
        {ARRAYS: header(lambda found: found["none"].update(shape=[0] * 1000))},
        "invalid shape",
    ),
    "overlapping arrays": (
        {ARRAYS: header(lambda found: found["f"].update(found["flags"]))},
        "not valid safetensors",
    ),
    "unknown dtype": ({ARRAYS: header(lambda found: found["f"].update(dtype="O8"))}, "safetensors"),
    "rare dtype": (
        {ARRAYS: header(lambda found: found["big"].update(dtype="C64", shape=[3]))},
        "dtype C64, which is not allowed",
    ),
    "pickled arrays": ({ARRAYS: lambda _: pickle.dumps(Evil())}, "header of arrays has"),
    "numpy file": ({ARRAYS: lambda _: b"\x93NUMPY" + b"\0" * 100}, "header of arrays has"),
    "missing array": ({ARRAYS: arrays(f=np.zeros(2))}, "is missing"),
    "an array of nobody": ({TEXT: state(arrays=[], parts={})}, "belongs to no part"),
    "arrays of another type": ({TEXT: state(arrays={"f": 1})}, "and arrays a list"),
    "array names": ({TEXT: state(arrays=[["f"]])}, "cannot be the name of an array"),
    "part names": ({TEXT: state(parts={"../x": {}})}, "cannot be the name of an array"),
    "a part of another type": ({TEXT: state(parts={"learner": 3})}, "must be an object with values"),
    "deep parts": ({TEXT: state(parts={"p": deep(9)})}, "parts more than 8"),
    "no text": ({TEXT: b""}, "Expecting value"),
    "no UTF-8": ({TEXT: b'{"values": "\xff"}'}, "utf-8"),
    "half characters": ({TEXT: state(values={"a": "\ud800"})}, "not valid Unicode"),
    "deep JSON": ({TEXT: b"[" * 100_000}, "levels deep"),
    "nested JSON": ({TEXT: b"[" * 60 + b"]" * 60}, "levels deep"),
    "NaN": ({TEXT: state(values={"a": float("nan")})}, "must be finite"),
    "a huge float": ({TEXT: b'{"values":{"a":1e999},"arrays":[],"parts":{}}'}, "must be finite"),
    "a long integer": (
        {TEXT: b'{"values":[1' + b"0" * 99 + b"]}"},
        "64 bits",
    ),
    "an endless integer": ({TEXT: b"1" * 100_000}, "damaged"),
    "one key twice": ({TEXT: b'{"values":{},"values":{},"arrays":[],"parts":{}}'}, "key twice"),
    "too much JSON": ({TEXT: b" " * (4 * 2**20 + 1)}, "too large"),
    "state missing": ({TEXT: None, ARRAYS: None}, "states/aggregator.json, which is missing"),
    "weights missing": ({"weights__tiny_dot_h5": None}, "weights/tiny.h5, which is missing"),
    "other weights": (
        {"weights__tiny_dot_h5": b"x"},
        "is not the file that the manifest",
    ),
    "pickle": ({"states__payload_dot_pkl": pickle.dumps(Evil())}, "has no place in a bundle"),
    "code": ({"model_dot_py": b"import os"}, "has no place in a bundle"),
    "library": ({"weights__libevil_dot_so": b"\x7fELF"}, "has no place in a bundle"),
    "same name twice": ({"States__aggregator_dot_json": b"{}"}, "two members with the name"),
    "newer": ({"document": setting(schema=2, classes="other")}, "made by a newer stackkit (schema 2"),
    "no schema": ({"document": setting(schema=None)}, "schema of its manifest"),
    "text as schema": ({"document": setting(schema="1")}, "schema of its manifest"),
    "a list": ({"document": lambda _: b"[1]"}, "manifest is no object"),
    "no members": ({"document": setting(members=None)}, "members that its manifest lists"),
    "no hashes": (
        {"document": lambda document: document["members"]["states/learner-0.json"].clear()},
        "must give size and sha256",
    ),
    "other hash": (
        {"document": lambda document: document["members"]["states/learner-0.json"].update(sha256="00")},
        "the content of states/learner-0.json is not",
    ),
    "classes": ({"document": setting(classes=["a", 3])}, "manifest.classes[1] must be of type str"),
    "same classes": ({"document": setting(classes=["a", "a"])}, "two different names"),
    "no networks": ({"document": setting(backbones=[])}, "at least one backbone"),
    "backbones": ({"document": setting(backbones={"0": 1})}, "manifest.backbones must be of type list"),
    "backbone of a learner": (
        {"document": lambda document: document["learners"][0].update(backbone=5)},
        "backbone of a learner must be 0 to 0",
    ),
    "a state many times": (
        {"document": lambda document: document["learners"].extend(document["learners"] * 3000)},
        "each state must be that of one classifier",
    ),
    "thousands of networks": (
        {"document": lambda document: document["backbones"].extend(document["backbones"] * 3000)},
        "at most 100 backbones, got 3,001",
    ),
    "accuracy": (
        {"document": setting(accuracy={"accuracy": 2})},
        "accuracy.interval is missing",
    ),
    "kind": (
        {"document": lambda document: document["aggregator"]["component"].update(kind="dataset")},
        "must be one of 'backbone', 'learner', 'aggregator', got 'dataset'",
    ),
}


@pytest.mark.parametrize("attack", CONTENTS)
def test_hostile_content_with_right_hashes_is_refused_in_one_line(
    attack: str, bundle: Path, tmp_path: Path
):
    edits, expected = CONTENTS[attack]
    assert expected in refusal(forge(tmp_path / "attack", bundle, **edits))
    assert not Path("/tmp/executed-by-a-bundle").exists()


def test_truth_values_other_than_0_and_1_are_refused(bundle: Path, tmp_path: Path):
    edits = {ARRAYS: lambda data: data[:-2] + b"\x02\x00"}
    assert "neither 0 nor 1" in refusal(forge(tmp_path / "attack", bundle, **edits))


def test_a_manifest_with_another_digest_is_refused(bundle: Path, tmp_path: Path):
    with zipfile.ZipFile(bundle) as archive:
        contents = {name: archive.read(name) for name in archive.namelist()}
    contents["manifest.json"] += b" "
    assert "not what manifest.sha256 says" in refusal(pack(tmp_path / "one", contents))
    del contents["manifest.json"]
    assert "manifest.json is missing" in refusal(pack(tmp_path / "other", contents))
    assert "manifest.json is missing" in refusal(pack(tmp_path / "none", {}))


def test_what_other_zip_tools_write_is_refused(tmp_path: Path):
    path = tmp_path / "bomb"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("manifest.json", b"0" * 50_000_000)
    assert "compressed" in refusal(path)


def test_what_is_no_regular_file_is_refused_at_once(tmp_path: Path):
    os.mkfifo(tmp_path / "pipe")
    for path in (tmp_path, tmp_path / "pipe", Path("/dev/zero"), Path("/dev/null")):
        assert "regular file" in refusal(path)
    assert "No such file" in refusal(tmp_path / "missing")
    (tmp_path / "large").touch()
    os.truncate(tmp_path / "large", 2**33)
    assert "and a bundle has at most" in refusal(tmp_path / "large")
    assert stat.S_ISFIFO((tmp_path / "pipe").stat().st_mode)
