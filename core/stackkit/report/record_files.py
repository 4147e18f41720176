"""Keep what a report is made from beside report.json, and read it back as a `Record`."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from itertools import accumulate, pairwise
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from stackkit.api.errors import UsageError
from stackkit.audit.findings import Audit, Finding, HardPair
from stackkit.evaluation.outcomes import Certainty, Outcomes, RowOutcome
from stackkit.evidence.evidence import Evidence, FeatureMap
from stackkit.report.array_file import REPEAT, Arrays, damaged, read_arrays, write_arrays
from stackkit.report.record import Record
from stackkit.report.report import EVIDENCE, FILE_NAME, OFFICIAL_SPLIT, OUTCOMES
from stackkit.report.rows import check_whole, read_document

_GATHER = "delete it, and `stackkit report` reads the images and features again"
"""What to do about a damaged evidence.npz."""


def write_outcomes(outcomes: Outcomes, folder: Path) -> Path:
    """Write outcomes.npz to a folder and return its path.

    Raises
    ------
    OSError
        If the file cannot be written.

    """
    target = folder / OUTCOMES
    about = {
        "ids": list(outcomes.ids),
        "fingerprints": list(outcomes.fingerprints),
        "classes": list(outcomes.classes),
        "rows": len(outcomes.rows),
    }
    arrays: dict[str, NDArray[Any]] = {
        name: getattr(outcomes, name) for name in ("labels", "image", "fold", "repeat")
    }
    for name in ("groups", "mean_probabilities"):
        if (array := getattr(outcomes, name)) is not None:
            arrays[name] = array
    for number, row in enumerate(outcomes.rows):
        arrays[f"predicted/{number}"] = row.predicted
        if row.rank is not None:
            arrays[f"rank/{number}"] = row.rank
        for name in ("raw", "calibrated"):
            if (certainty := getattr(row, name)) is not None:
                arrays[f"{name}/{number}"] = np.stack([certainty.of_true, certainty.of_predicted])
    write_arrays(target, about, arrays)
    return target


def read_outcomes(folder: Path) -> Outcomes:
    """Return what `write_outcomes` wrote.

    Raises
    ------
    UsageError
        If the file is missing or damaged, or was written by a newer stackkit.

    """
    path = folder / OUTCOMES
    try:
        about, arrays = read_arrays(path)
    except FileNotFoundError:
        raise UsageError(f"{path} is missing, and no report can be made without it; {REPEAT}") from None
    try:
        outcomes = Outcomes(
            ids=about["ids"],
            fingerprints=about["fingerprints"],
            labels=arrays["labels"],
            groups=arrays.get("groups"),
            classes=about["classes"],
            image=arrays["image"],
            fold=arrays["fold"],
            repeat=arrays["repeat"],
            rows=[_row(arrays, number) for number in range(about["rows"])],
            mean_probabilities=arrays.get("mean_probabilities"),
        )
        _check(outcomes)
    except (KeyError, TypeError, ValueError) as error:
        raise damaged(path) from error
    return outcomes


def _row(arrays: Arrays, number: int) -> RowOutcome:
    def certainty(name: str) -> Certainty | None:
        both = arrays.get(f"{name}/{number}")
        return None if both is None else Certainty(of_true=both[0], of_predicted=both[1])

    return RowOutcome(
        predicted=arrays[f"predicted/{number}"],
        rank=arrays.get(f"rank/{number}"),
        raw=certainty("raw"),
        calibrated=certainty("calibrated"),
    )


def _check(outcomes: Outcomes) -> None:
    """Raise ValueError for arrays that do not belong together, which statistics would trip over."""
    n_images, n = len(outcomes.ids), len(outcomes.image)
    _check_kinds(outcomes)
    per_image = [outcomes.labels, outcomes.groups, outcomes.mean_probabilities]
    per_prediction: list[NDArray[Any] | None] = [outcomes.image, outcomes.fold, outcomes.repeat]
    for row in outcomes.rows:
        per_prediction += [row.predicted, row.rank]
        for each in filter(None, (row.raw, row.calibrated)):
            per_prediction += [each.of_true, each.of_predicted]
    lengths = {len(array) for array in per_image if array is not None}
    if lengths | {len(outcomes.fingerprints)} != {n_images}:
        raise ValueError("arrays per image differ in length")
    if {len(array) for array in per_prediction if array is not None} != {n}:
        raise ValueError("arrays per prediction differ in length")
    _check_range(outcomes.image, n_images)
    _check_range(outcomes.labels, len(outcomes.classes))
    for row in outcomes.rows:
        _check_range(row.predicted, len(outcomes.classes))


def _check_kinds(outcomes: Outcomes) -> None:
    whole: list[NDArray[Any] | None] = [getattr(outcomes, name) for name in _WHOLE]
    shares = list[NDArray[Any]]()
    for row in outcomes.rows:
        whole += [row.predicted, row.rank]
        for each in filter(None, (row.raw, row.calibrated)):
            shares += [each.of_true, each.of_predicted]
    for array in whole:
        if array is not None and (array.ndim != 1 or array.dtype.kind != "i"):
            raise ValueError("an array of whole numbers holds something else")
    if any(array.ndim != 1 or array.dtype.kind != "f" for array in shares):
        raise ValueError("probabilities are none")
    means = outcomes.mean_probabilities
    if means is not None and (means.shape[1:] != (len(outcomes.classes),) or means.dtype.kind != "f"):
        raise ValueError("mean probabilities do not fit the classes")


_WHOLE = ("labels", "groups", "image", "fold", "repeat")


def _check_range(indices: NDArray[Any], limit: int) -> None:
    if len(indices) and not 0 <= indices.min() <= indices.max() < limit:
        raise ValueError("an index is out of range")


def write_evidence(evidence: Evidence, folder: Path) -> Path:
    """Write evidence.npz to the folder of a run and return its path.

    Raises
    ------
    OSError
        If the file cannot be written.

    """
    target, found = folder / EVIDENCE, evidence.feature_map
    about = {
        "outcomes": _digest(folder / OUTCOMES),
        "thumbnails": list(evidence.thumbnails),
        "small": list(evidence.small),
        "map": found.method if found else None,
        "audit": asdict(evidence.audit) if evidence.audit else None,
        "missing": list(evidence.missing),
    }
    arrays = {**_packed("thumbnails", evidence.thumbnails), **_packed("small", evidence.small)}
    if found:
        arrays |= {"map/image": found.image, "map/points": found.points}
    write_arrays(target, about, arrays, compress=False)  # JPEG files are compressed already
    return target


def read_evidence(folder: Path) -> Evidence | None:
    """Return what `write_evidence` wrote; None if there is nothing, or it belongs to other outcomes.

    Raises
    ------
    UsageError
        If the file is damaged, or was written by a newer stackkit.

    """
    path = folder / EVIDENCE
    try:
        about, arrays = read_arrays(path, _GATHER)
        digest = _digest(folder / OUTCOMES)
    except OSError:
        return None
    try:
        if about["outcomes"] != digest:
            return None
        return Evidence(
            thumbnails=_unpacked("thumbnails", about["thumbnails"], arrays),
            small=_unpacked("small", about["small"], arrays),
            feature_map=_map(about["map"], arrays),
            audit=_audit(about["audit"]),
            missing=tuple(about["missing"]),
        )
    except (KeyError, TypeError, ValueError) as error:
        raise damaged(path, _GATHER) from error


def _packed(name: str, files: Mapping[str, bytes]) -> dict[str, NDArray[Any]]:
    """Return files as one array of bytes, and one of where each of them ends."""
    ends = np.array(list(accumulate(map(len, files.values()))), np.int64)
    return {name: np.frombuffer(b"".join(files.values()), np.uint8), f"{name}/ends": ends}


def _unpacked(name: str, ids: Sequence[str], arrays: Arrays) -> dict[str, bytes]:
    data, ends = arrays[name].tobytes(), arrays[f"{name}/ends"].tolist()
    files = [data[start:end] for start, end in pairwise([0, *ends])]
    return dict(zip(ids, files, strict=True))


def _map(method: str | None, arrays: Arrays) -> FeatureMap | None:
    if method is None:
        return None
    return FeatureMap(image=arrays["map/image"], points=arrays["map/points"], method=method)


def _audit(document: Mapping[str, Any] | None) -> Audit | None:
    if document is None:
        return None
    return Audit(
        **{
            **document,
            "findings": tuple(Finding(**each) for each in document["findings"]),
            "hard_pairs": tuple(HardPair(**each) for each in document["hard_pairs"]),
        }
    )


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def read_record(folder: Path, *, evidence: bool = True) -> Record:
    """Return the record of the run in a folder, with the other protocol if there is one.

    Parameters
    ----------
    folder : Path
        What `--out` named, or a folder in `STACKKIT_HOME/runs`.
    evidence : bool
        False for figures only, which need no images.

    Raises
    ------
    UsageError
        If the folder holds no run, its files are not of one run, or a file of it is damaged or was
        written by a newer stackkit.

    """
    second = folder / OFFICIAL_SPLIT
    document, outcomes = read_document(folder), read_outcomes(folder)
    check_whole(str(folder), document, outcomes)
    return Record(
        document=document,
        outcomes=outcomes,
        evidence=read_evidence(folder) if evidence else None,
        folder=folder,
        other=read_record(second, evidence=evidence) if (second / FILE_NAME).is_file() else None,
    )
