"""Which members a bundle may have, and what refers to them: nothing else can travel in it."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any

from stackkit.bundle.manifest import Manifest, all_backbones
from stackkit.bundle.records import record

MANIFEST = "manifest.json"
DIGEST = "manifest.sha256"
STATES = "states/"

_ALLOWED = re.compile(
    r"states/[\w.-]+\.(json|safetensors)"
    r"|examples/[\w./+-]+\.(jpg|webp|png|json|safetensors)"
)
_FOREIGN = re.compile(r"skops/[\w.-]+\.skops")
_WEIGHTS = re.compile(r"weights/[\w./+-]+")


def read_manifest(document: Mapping[str, Any]) -> Manifest:
    """Return the manifest, after a check that its members are those that it refers to.

    Parameters
    ----------
    document : mapping of str to JSON value
        Its JSON object, with `members`: an object with `size` and `sha256` for each other member.

    Raises
    ------
    ValueError
        If a field is missing or invalid, or a member is missing, not allowed, or another file than the
        manifest describes.

    """
    manifest = record(Manifest, document, "manifest")
    _check_references(manifest, document["members"])
    return manifest


def _check_references(manifest: Manifest, members: Mapping[str, Any]) -> None:
    foreign = {
        name
        for each in (*manifest.learners, manifest.aggregator)
        if each.format == "skops"
        for name in each.states
    }
    weights = {
        each.weights.member: each.weights
        for each in all_backbones(manifest.backbones)
        if each.weights and each.weights.member
    }
    for names, pattern in ((foreign, _FOREIGN), (weights, _WEIGHTS)):
        for name in names:
            if not pattern.fullmatch(name):
                raise ValueError(f"the manifest refers to {name!r:.200}, which has no place in a bundle")
    for name in (*_state_texts(manifest), *foreign, *weights):
        if name not in members:
            raise ValueError(f"the manifest refers to {name}, which is missing in it")
    for name, file in weights.items():
        if members[name] != {"size": file.size, "sha256": file.sha256}:
            raise ValueError(f"{name} is not the file that the manifest describes")
    for name in members.keys() - foreign - weights.keys():
        if not _ALLOWED.fullmatch(name):
            raise ValueError(
                f"it has the member {name}, which has no place in a bundle (states/, examples/, and the "
                "files that the manifest names)"
            )


def _state_texts(manifest: Manifest) -> Iterable[str]:
    """Yield the member with the state of each classifier that does not need skops."""
    for each in (*manifest.learners, manifest.aggregator):
        if each.format == "state":
            yield from (f"{STATES}{name}.json" for name in each.states)
