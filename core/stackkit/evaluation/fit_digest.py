"""Name fits by everything that their results depend on, so that equal names mean equal results."""

from __future__ import annotations

import hashlib
import json
from typing import Any

import numpy as np
from numpy.typing import NDArray

from stackkit import __version__
from stackkit.evaluation.conditions import CONDITIONS
from stackkit.host.configured_component import ConfiguredComponent
from stackkit.utils.versions import dependency_versions, source_digest


def identity(configured: ConfiguredComponent) -> list[Any]:
    """List everything about a component that its fits depend on."""
    component = configured.component
    return [
        component.qualified_name,
        component.distribution,
        component.version,
        dict(configured.options),
        # The version of a plugin in development stays the same while its code changes.
        source_digest(component.spec.factory.partition(":")[0]),
        dependency_versions(component.distribution),
        *([component.altered] if component.altered else []),
    ]


def digest_of(*parts: NDArray[np.int64] | list[Any]) -> str:
    """Return a BLAKE2b digest, 32 hexadecimal digits, of arrays and of lists of JSON values."""
    digest = hashlib.blake2b(f"{__version__} {CONDITIONS}".encode(), digest_size=16)
    for part in parts:
        if isinstance(part, list):
            digest.update(json.dumps(part, sort_keys=True).encode())
        else:
            digest.update(f"{part.dtype.str} {part.shape}".encode() + part.tobytes())
    return digest.hexdigest()
