"""Run in a process of its own: what a plugin does there, as nothing of the parent can hide it."""

from __future__ import annotations

import json
import os
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from stackkit.host.heavy_modules import heavy_imports
from stackkit.testing.target import Target, in_words

_NETWORK = ("socket.connect", "socket.getaddrinfo", "socket.gethostbyname", "socket.sendto")
_CHANGES_OF_FILES = ("os.mkdir", "os.remove", "os.rename")
_WRITES = os.O_WRONLY | os.O_RDWR | os.O_CREAT


@dataclass
class Watch:
    """What was tried while it was on."""

    on: bool = False
    network: list[str] = field(default_factory=list)
    files: list[str] = field(default_factory=list)

    def __call__(self, event: str, arguments: tuple[Any, ...]) -> None:
        """Python tells of every opened file and socket; a connection is refused here."""
        if not self.on:
            return
        if event in _NETWORK:
            self.network.append(event)
            raise OSError("no network: a plugin's hooks must answer offline")
        written = event == "open" and arguments[2] & _WRITES and arguments[0] != os.devnull
        if (written or event in _CHANGES_OF_FILES) and not _is_the_hosts(arguments[0]):
            self.files.append(str(arguments[0]))


def _is_the_hosts(path: object) -> bool:
    """The host overhears what a plugin prints by a nameless file among the temporary ones."""
    folder = tempfile.gettempdir()
    return str(path) == folder or os.path.dirname(str(path)) == folder  # noqa: PTH120


@contextmanager
def watching() -> Iterator[Watch]:
    """Write down files and connections in the block."""
    tempfile.gettempdir()  # looks for the folder by writing, once
    watch = Watch()
    sys.addaudithook(watch)
    watch.on = True
    try:
        yield watch
    finally:
        watch.on = False


def hooks(target: Target) -> dict[str, Any]:
    """What happens while the plugin is imported and its hooks are asked twice."""
    before = set(sys.modules)
    with watching() as watch:
        first = target.load()
        second = target.load()
    return {
        "heavy": heavy_imports(before),
        "network": watch.network,
        "files": watch.files,
        "complaints": [each.reason for record in first.plugins for each in record.warnings],
        "first": repr(first.components),
        "second": repr(second.components),
    }


def backbone(target: Target, request: dict[str, Any], folder: Path) -> dict[str, Any]:
    """The revision of a backbone; its features of images.npy go to features.npy."""
    import numpy as np

    from stackkit.testing.subject import subject_of

    made = subject_of("backbone", request, target).create()
    np.save(folder / "features.npy", made.extract(np.load(folder / "images.npy")))
    return {"revision": made.revision}


def dataset(target: Target, request: dict[str, Any]) -> dict[str, Any]:
    """Classes, samples and some fingerprints, where the file system lists everything backwards."""
    from stackkit.testing.fakes import listing_backwards
    from stackkit.testing.subject import subject_of

    with listing_backwards():
        made = subject_of("dataset", request, target).create()
        return {
            "classes": [str(name) for name in made.classes],
            "samples": [repr(sample) for sample in made.samples],
            "fingerprints": [str(made.fingerprint(i)) for i in request["some"]],
        }


def fetch(target: Target, request: dict[str, Any]) -> dict[str, str]:
    """What a dataset's download comes to."""
    from stackkit.api.errors import StackkitError
    from stackkit.api.types import SilentReporter
    from stackkit.testing.subject import is_crash, subject_of

    try:
        folder = subject_of("dataset", request, target).choice().fetch(reporter=SilentReporter())
    except StackkitError as error:
        return {"outcome": "crash" if is_crash(error) else "refused", "text": str(error)}
    return {"outcome": "taken", "text": str(folder)}


def main(folder: Path) -> None:
    """Answer the request in `folder`."""
    request = json.loads((folder / "request.json").read_text(encoding="utf-8"))
    target = in_words(request)
    answer: dict[str, Any]
    if request["ask"] == "hooks":
        answer = hooks(target)
    elif request["ask"] == "backbone":
        answer = backbone(target, request, folder)
    elif request["ask"] == "dataset":
        answer = dataset(target, request)
    else:
        answer = fetch(target, request)
    (folder / "answer.json").write_text(json.dumps(answer), encoding="utf-8")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
