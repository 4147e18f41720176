"""Remember what is special about images, so that reports mention it when features are reused, too."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from contextlib import suppress
from pathlib import Path

from stackkit.api.dataset import Dataset, FailedImage
from stackkit.api.pixels import ImageRemark
from stackkit.api.reporter import Reporter
from stackkit.extraction.decoding import Decoder, Remarks, Request
from stackkit.store import DatasetRows
from stackkit.utils.remembered import read_remembered, remember

FILE_NAME = "image-remarks-1.jsonl"
"""File in the folder of the store, one line per image. It can be deleted: images are then checked again.
The number changes whenever other things are remarked on."""

_CHUNK = 32


def remarks_on_all(
    dataset: Dataset,
    rows: DatasetRows,
    decoded: Mapping[str, Remarks],
    failed: Collection[FailedImage],
    folder: Path,
    reporter: Reporter,
) -> dict[str, Remarks]:
    """Return the remarks on every image that can be decoded, and remember them.

    Parameters
    ----------
    dataset, rows : Dataset, DatasetRows
        The dataset, and its rows from `fingerprints`.
    decoded : mapping of str to tuple of ImageRemark
        Remarks on the images that were decoded in this run, by id.
    failed : collection of FailedImage
        Images that cannot be decoded.
    folder : Path
        The folder of the store.
    reporter : Reporter
        Receives progress if images have to be decoded: those whose features an older version of stackkit
        computed, or a run that was interrupted.

    Returns
    -------
    dict of str to tuple of ImageRemark
        By id, in the order of the dataset.

    """
    names = [sample.id for sample in rows.samples]
    remembered = _read(folder / FILE_NAME, set(rows.fingerprints))
    pairs = list(zip(names, rows.fingerprints, strict=True))
    known = {name: remembered[key] for name, key in pairs if key in remembered} | dict(decoded)
    skipped = {failure.id for failure in failed}
    todo = [
        i for i, (name, key) in enumerate(pairs) if key and name not in known and name not in skipped
    ]
    known |= _inspect(dataset, rows, todo, reporter)
    new = {key: known[name] for name, key in pairs if name in known and key not in remembered}
    lines = {key: [[each.kind, each.text] for each in remarks] for key, remarks in new.items()}
    remember(folder / FILE_NAME, lines)
    return {name: known[name] for name in names if name in known}


def _inspect(
    dataset: Dataset, rows: DatasetRows, todo: list[int], reporter: Reporter
) -> dict[str, Remarks]:
    if not todo:
        return {}
    found, task = dict[str, Remarks](), "checking images"
    reporter.start(task, len(todo))
    requests = [
        Request(numbers=todo[k : k + _CHUNK], geometries=()) for k in range(0, len(todo), _CHUNK)
    ]
    with Decoder(dataset, rows.fingerprints) as decoder:
        for chunk in decoder.chunks(requests):
            found |= chunk.remarks
            reporter.advance(task, len(chunk.numbers))
    return found


def _read(path: Path, fingerprints: Collection[str]) -> dict[str, Remarks]:
    """Return the remarks on images with these fingerprints."""
    found = dict[str, Remarks]()
    for key, remarks in read_remembered(path, fingerprints).items():
        with suppress(TypeError):
            found[key] = tuple(ImageRemark(*remark) for remark in remarks)
    return found
