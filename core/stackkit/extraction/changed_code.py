"""Explain why the features of a third-party backbone are computed again under the same revision."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from stackkit.extraction.feature_set import FeatureSet
from stackkit.host.configured_component import MACHINE
from stackkit.store import DatasetRows, FeatureStore


def reason_to_recompute(one: FeatureSet, rows: DatasetRows, store: FeatureStore) -> str | None:
    """Return why stored features of these images are not used although their revision is the same.

    Returns None if there are no such features, if there is a file for the code as it is now, or if the
    backbone is stackkit's own.
    """
    backbone = one.backbone
    if not backbone.code or store.path(one.key, rows).exists():
        return None
    # Files for exactly the same rows are enough for a message; others would have to be searched for in
    # the whole store.
    declared = backbone.declared_key.revision
    for contents in store.files_of(backbone.qualified_name, rows):
        if contents.key.pixels != one.key.pixels:
            continue  # another view of the images, which no code has to change for
        # Older versions of stackkit stored features of packages under the declared revision alone.
        if contents.key.revision == declared or contents.key.revision.startswith(f"{declared} "):
            component = contents.provenance[-1].get("component", {}) if contents.provenance else {}
            return (
                f"{one.label}: the stored features of revision {declared!r} are not used, because "
                f"{_change(backbone.provenance['component'], component)}"
            )
    return None


def _change(now: Mapping[str, Any], before: Mapping[str, Any]) -> str:
    """Describe the change as precisely as the provenance of a file allows."""
    distribution = now["distribution"]
    if before.get("version") not in {None, now["version"]}:
        return f"{distribution} changed from version {before['version']} to {now['version']}"
    options = json.loads(json.dumps(now["options"]))  # as they are stored: lists instead of tuples
    for name, value in options.items():
        other = before.get("options", {}).get(name, value)
        if name not in MACHINE and other != value:
            return f"they were computed with {name}={other}, not with {name}={value}"
    return f"the code of {distribution}, or a package that it requires, has changed"
