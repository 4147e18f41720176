"""Refer to a component so that a worker finds the same one among its own plugins, and none but it."""

from __future__ import annotations

import os
import platform
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path

from stackkit import __version__
from stackkit.api.errors import ExecutorError
from stackkit.api.specs import Kind
from stackkit.execution.references import host_settings, worker_host
from stackkit.host.component import Component
from stackkit.host.host import Host
from stackkit.utils.versions import dependency_versions, source_digest


@dataclass(frozen=True, slots=True, kw_only=True)
class Reference:
    """What tells a component from all others, and everything about it that its fits depend on.

    Parameters
    ----------
    kind, name : str
        Its kind and qualified name.
    plugins : tuple of (str, str)
        Variables that say which plugins to load, see `host_settings`.
    distribution, version, code, altered : str
        As in `Component`.
    source : str
        Digest of the plugin's Python files, or "" if `code` says it.
    packages : tuple of str
        Python, stackkit with a digest of its code, and what the distribution requires, with versions.

    """

    kind: Kind
    name: str
    plugins: tuple[tuple[str, str], ...]
    distribution: str
    version: str
    code: str
    altered: str
    source: str
    packages: tuple[str, ...]


def reference_to(component: Component) -> Reference:
    """Return a reference to a component of this process."""
    return Reference(
        kind=component.kind,
        name=component.qualified_name,
        plugins=tuple(sorted(host_settings().items())),
        distribution=component.distribution,
        version=component.version,
        code=component.code,
        altered=component.altered,
        source=_source(component),
        packages=(
            f"Python {'.'.join(platform.python_version_tuple()[:2])}",
            f"stackkit {__version__} with code {source_digest('stackkit')[:12]}",
            *dependency_versions(component.distribution),
        ),
    )


def _source(component: Component) -> str:
    module = component.spec.factory.partition(":")[0]
    # A process keeps the digest of a module's name, and a worker meets one command after another, whose
    # files may have the same name.
    is_file = component.code and module == Path(component.distribution).stem
    return "" if is_file else source_digest(module)


@cache
def component_of(reference: Reference) -> Component:
    """Return the component of this process that a reference of another process is about.

    Raises
    ------
    ExecutorError
        If this process has no such component, or a different one.

    """
    settings = dict(reference.plugins)
    found = _found(worker_host(settings), reference)
    if found is None or found.code != reference.code:
        # A single file may have been written or changed since this process loaded its plugins. An
        # installed plugin may not: Python would go on with the modules that it has imported.
        found = _found(worker_host(settings, again=True), reference)
    if problem := _missing(reference) if found is None else _difference(reference, found):
        raise ExecutorError(f"the worker with process {os.getpid()} on {platform.node()} {problem}")
    assert found is not None
    return found


def _found(host: Host, reference: Reference) -> Component | None:
    same = (
        each
        for each in host.components
        if (each.kind, each.qualified_name) == (reference.kind, reference.name)
    )
    return next(same, None)


def _missing(reference: Reference) -> str:
    remedy = (
        f"copy {reference.distribution} to the same path there"
        if reference.code
        else f"run there: pip install {reference.distribution}=={reference.version}; then restart it"
    )
    return f"has no {reference.kind} {reference.name}: {remedy}"


def _difference(reference: Reference, found: Component) -> str:
    """Say how a component of this process differs from the one of the reference, or ""."""
    mine, theirs = replace(reference_to(found), plugins=reference.plugins), reference
    if mine == theirs:
        return ""
    if mine.code != theirs.code:
        return f"has another {theirs.distribution}: copy the one of this run there"
    if (mine.distribution, mine.version) != (theirs.distribution, theirs.version):
        return (
            f"has {theirs.kind} {theirs.name} of {mine.distribution} {mine.version}, and this run uses "
            f"{theirs.distribution} {theirs.version}: install that there and restart the worker"
        )
    if mine.packages != theirs.packages:
        needed = [each for each in theirs.packages if each not in mine.packages]
        extra = [each for each in mine.packages if each not in theirs.packages]
        return (
            f"has {', '.join(extra) or 'fewer packages'}, and this run uses "
            f"{', '.join(needed) or 'none of these'}: install the same there and restart the worker"
        )
    if mine.altered != theirs.altered:
        return (
            "has other plugins that replace functions of numerical libraries: load the same plugins "
            "there, or leave these out with --disable-plugin"
        )
    return (
        f"has other code of {theirs.distribution} {theirs.version}: install the same code there and "
        "restart the worker"
    )
