"""Run in a new process: load a plugin there and report what it does, without any state of the parent.

`python -m stackkit.testing.child_process FOLDER` reads FOLDER/request and writes FOLDER/answer.
"""

from __future__ import annotations

import os
import pickle
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from stackkit.host.heavy_modules import heavy_imports
from stackkit.testing.discovery import Target, target_of

_NETWORK = ("socket.connect", "socket.getaddrinfo", "socket.gethostbyname", "socket.sendto")
_CHANGES_OF_FILES = ("os.mkdir", "os.remove", "os.rename")
_WRITES = os.O_WRONLY | os.O_RDWR | os.O_CREAT


@contextmanager
def watching() -> Iterator[list[str]]:
    """Record in the list what the block writes, and refuse connections."""
    folder, actions, is_on = tempfile.gettempdir(), list[str](), True

    def watch(event: str, arguments: tuple[Any, ...]) -> None:
        if not is_on:
            return  # Python cannot remove an audit hook, so it stays until the process ends
        if event in _NETWORK:
            actions.append(f"used the network ({event})")
            raise OSError("no network: a plugin's hooks must work offline")
        # A number is a descriptor that is open already, such as the host's own file for prints.
        is_new = event == "open" and not isinstance(arguments[0], int)
        written = is_new and arguments[2] & _WRITES and arguments[0] != os.devnull
        if written or event in _CHANGES_OF_FILES:
            path = str(arguments[0])
            # The host captures prints in an unnamed file in the temporary folder.
            if folder not in (path, os.path.dirname(path)):  # noqa: PTH120
                actions.append(f"wrote {path}")

    sys.addaudithook(watch)
    try:
        yield actions
    finally:
        is_on = False


def hooks(target: Target) -> dict[str, Any]:
    """Load the plugin twice; return the heavy modules, what it does to the process, and the specs."""
    # Modules that the host itself imports count for no plugin: they are there before.
    before = set(sys.modules)
    with watching() as actions:
        first, second = target.load(), target.load()
    warnings = [each.reason for record in first.plugins for each in record.warnings]
    return {
        "heavy": heavy_imports(before),
        "actions": list(dict.fromkeys([*warnings, *actions])),
        "specs": [repr([each.spec for each in host.components]) for host in (first, second)],
    }


def contents(dataset: Any, some: Sequence[int]) -> dict[str, list[str]]:
    """Return classes, samples and some fingerprints as text."""
    return {
        "classes": [str(name) for name in dataset.classes],
        "samples": [repr(sample) for sample in dataset.samples],
        "fingerprints": [str(dataset.fingerprint(i)) for i in some],
    }


def answer(request: Mapping[str, Any]) -> Any:
    """Do what `request["ask"]` names, and return the answer."""
    target = target_of(*request["target"])
    if request["ask"] == "hooks":
        return hooks(target)
    # Imported late: what the kit imports must not hide what the plugin imports.
    from stackkit.testing.under_test import component_of, is_crash

    component = component_of(request, target)
    if request["ask"] == "features":
        backbone = component.create()
        return backbone.revision, backbone.extract(request["images"])
    if request["ask"] == "contents":
        from stackkit.testing.fakes import reversed_listing

        with reversed_listing():
            return contents(component.create(), request["some"])
    from stackkit.api.errors import StackkitError
    from stackkit.api.reporter import SilentReporter

    assert request["ask"] == "fetch"
    try:
        return "accepted", str(component.configured().fetch(reporter=SilentReporter()))
    except StackkitError as error:
        return "crash" if is_crash(error) else "refused", str(error)


def main(folder: Path) -> None:
    """Answer the request in `folder`."""
    request = pickle.loads((folder / "request").read_bytes())  # noqa: S301 - the parent wrote it
    (folder / "answer").write_bytes(pickle.dumps(answer(request)))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
