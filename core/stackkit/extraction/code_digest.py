"""Digest of the third-party code that features depend on, so that every change recomputes them."""

from __future__ import annotations

import hashlib
import json

from stackkit.host.configured_component import MACHINE, ConfiguredComponent
from stackkit.utils.versions import dependency_versions, source_digest


def code_digest(component: ConfiguredComponent) -> str:
    """Return a digest of third-party code that the features of a backbone depend on, normally "".

    Features that are computed while a plugin replaces functions of NumPy, say, get a key of their own,
    so that they are not used without that plugin.
    """
    altered = component.component.altered
    return " ".join(filter(None, [third_party_code(component), altered and f"altered-{altered}"]))


def third_party_code(component: ConfiguredComponent) -> str:
    """Return a digest of what computes the features of a third-party backbone, "" for stackkit's own.

    The revision that a plugin declares is easily forgotten when its code is edited. With this digest in
    the store's key, every change recomputes the features.

    Notes
    -----
    For an installed package, the digest covers its Python files, its version, the versions of the
    packages that it requires, and all options except those that only describe the machine (`device`,
    `threads`). For a plugin in a single file it is the digest of the file; options that differ from
    their defaults add a second digest.

    """
    source = component.component
    if source.is_own:
        return ""
    options = {name: value for name, value in component.options.items() if name not in MACHINE}
    if source.code:
        defaults = {option.name: option.default for option in source.spec.options}
        changed = {name: value for name, value in options.items() if value != defaults.get(name)}
        return f"{source.code}-{_digest(changed)}" if changed else source.code
    code = source_digest(source.spec.factory.partition(":")[0])
    required = dependency_versions(source.distribution)
    return _digest([source.distribution, source.version, code, required, options])


def _digest(content: object) -> str:
    return hashlib.blake2b(json.dumps(content, sort_keys=True).encode(), digest_size=8).hexdigest()
