"""Small bundles without a real network, made by the code that makes real ones."""

from __future__ import annotations

import hashlib
import json
import zipfile
from pathlib import Path
from typing import Any

import numpy as np

from stackkit.api.state import State
from stackkit.bundle import (
    AccuracyRecord,
    BackboneRecord,
    ClassifierRecord,
    ComponentRecord,
    Manifest,
    ProvenanceRecord,
    WeightsRecord,
    open_bundle,
    write_bundle,
)
from stackkit.bundle.archive import write_directory, write_member

WEIGHTS = b"weights" * 1000


def component(kind: Any, name: str, **options: Any) -> ComponentRecord:
    return ComponentRecord(
        kind=kind,
        name=f"{name}/{name}",
        label=name,
        options=options,
        distribution="stackkit",
        version="0.1.0",
    )


def manifest(**changes: Any) -> Manifest:
    weights = WeightsRecord(
        name="tiny.h5",
        size=len(WEIGHTS),
        sha256=hashlib.sha256(WEIGHTS).hexdigest(),
        source="imagenet",
        member="weights/tiny.h5",
    )
    backbone = BackboneRecord(
        component=component("backbone", "tiny", weights="imagenet", size=32),
        revision="tiny;weights=1",
        trained=True,
        image_size=32,
        feature_dim=4,
        resize="squash",
        weights=weights,
    )
    fields: dict[str, Any] = {
        "classes": ("Laysan Albatross", "Fischmöwe"),
        "backbones": (backbone,),
        "learners": (
            ClassifierRecord(
                component=component("learner", "logistic", C=1.0), states=("learner-0",), backbone=0
            ),
        ),
        "aggregator": ClassifierRecord(
            component=component("aggregator", "average-svm"), states=("aggregator",), fit_on="in-sample"
        ),
        "provenance": ProvenanceRecord(
            stackkit="0.1.0",
            created="2026-11-26T12:00:00+00:00",
            dataset="image-folder:root=birds",
            images=1190,
            recipe={"name": "default"},
            versions={"numpy": "2.4.6"},
        ),
        "accuracy": AccuracyRecord(
            accuracy=0.981, interval=(0.96, 0.99), images=592, protocol="official split"
        ),
        "calibration": {"log_loss": {"before": 0.25, "after": 0.125}, "temperature": 0.5},
        "licence": "weights: Apache-2.0",
    }
    return Manifest(**fields | changes)


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
    outer = State(values={"n": 3}, arrays=arrays, parts={"learner": inner})
    return {"learner-0": State(), "aggregator": outer}


def write(path: Path, **changes: Any) -> Path:
    """Write a bundle; the same arguments give the same bytes."""
    fields = {"manifest": manifest(), "states": states(), "files": {"weights/tiny.h5": WEIGHTS}}
    write_bundle(path, **fields | changes)
    return path


def forge(path: Path, source: Path, **edits: Any) -> Path:
    """Copy a bundle with other members, whose hashes, sizes and headers are right.

    Parameters
    ----------
    path, source : Path
        The new file and the bundle.
    **edits : callable or bytes or None
        By name of the member with "__" for "/" and "_dot_" for ".": a function of its content, its new
        content, or None to leave it out. `document` is a function of the manifest's JSON object.

    """
    with zipfile.ZipFile(source) as archive:
        contents = {name: archive.read(name) for name in archive.namelist()}
    document = json.loads(contents.pop("manifest.json"))
    del contents["manifest.sha256"]
    edit_document = edits.pop("document", None)
    for key, edit in edits.items():
        name = key.replace("__", "/").replace("_dot_", ".")
        content = edit(contents[name]) if callable(edit) else edit
        if content is None:
            del contents[name]
        else:
            contents[name] = content
    document["members"] = {
        name: {"size": len(content), "sha256": hashlib.sha256(content).hexdigest()}
        for name, content in contents.items()
    }
    text = json.dumps(document).encode()
    if edit_document:
        changed = edit_document(document)
        text = changed if isinstance(changed, bytes) else json.dumps(changed or document).encode()
    digest = f"{hashlib.sha256(text).hexdigest()}  manifest.json\n".encode()
    return pack(path, {**contents, "manifest.json": text, "manifest.sha256": digest})


def pack(path: Path, contents: dict[str, bytes]) -> Path:
    """Write an archive of the right form with any content."""
    with path.open("wb") as file:
        entries = [write_member(file, name, [content]) for name, content in contents.items()]
        write_directory(file, entries)
    return path


def read_everything(path: Path) -> None:
    """Read all of a bundle as a program that loads a model does."""
    with open_bundle(path) as bundle:
        bundle.verify()
        for member in bundle.document["members"]:
            if member.startswith("states/") and member.endswith(".json"):
                bundle.state(member.removeprefix("states/").removesuffix(".json"))
        for member in bundle.files:
            bundle.file(member)
