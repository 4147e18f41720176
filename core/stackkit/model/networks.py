"""Networks of a model in its bundle: what the manifest says of them, and their weights."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from typing import cast

from stackkit.api.backbone import PortableBackbone
from stackkit.api.errors import BundleError, UsageError, WeightsError
from stackkit.api.paths import models_dir
from stackkit.bundle import BackboneRecord, Bundle, WeightsRecord
from stackkit.extraction.backbone import CheckedBackbone, make_backbone
from stackkit.host.configured_component import ConfiguredComponent
from stackkit.model.components import component_record


def describe_network(
    component: ConfiguredComponent, network: CheckedBackbone, *, with_weights: bool = False
) -> tuple[BackboneRecord, dict[str, Path]]:
    """Return what the manifest says of a network, and the files to put into the bundle.

    Parameters
    ----------
    component : ConfiguredComponent
        The backbone.
    network : CheckedBackbone
        What `make_backbone` made of it. Its weights are read, and downloaded if necessary.
    with_weights : bool
        Whether the weights go into the bundle.

    Returns
    -------
    record : BackboneRecord
        Entry of the manifest.
    files : dict of str to Path
        Weights by the name of their member; empty without `with_weights`.

    Raises
    ------
    UsageError
        If the weights should go into the bundle, and the plugin does not say which file has them.
    WeightsError
        If the weights are missing, or are several files.

    """
    with component.blamed():  # not `key`, whose digest of the code differs by versions of packages
        key, trained = network.declared_key, network.backbone.trained
    boxes, files = None, dict[str, Path]()
    if component.boxes and network.boxes:
        boxes, files = describe_network(component.boxes, network.boxes, with_weights=with_weights)
    path = _weights_file(component, network, needed=with_weights and trained)
    weights = _weights_record(path, source=_source(component), is_member=with_weights) if path else None
    if path and weights and with_weights:
        files[weights.member] = path
    record = BackboneRecord(
        component=component_record(component),
        revision=key.revision,
        trained=trained,
        image_size=network.image_size,
        feature_dim=key.feature_dim,
        resize=component.resize,
        views=component.views,
        weights=weights,
        boxes=boxes,
    )
    return record, files


def require_weights_files(components: Iterable[ConfiguredComponent]) -> None:
    """Raise UsageError if the weights of a backbone cannot go into a bundle, before hours of work."""
    for each in components:
        if each.boxes:
            require_weights_files([each.boxes])
        # Random weights need no file; a backbone is made only if that matters.
        if not _takes_file(each) and make_backbone(each).backbone.trained:
            raise _no_file(each)


def _no_file(component: ConfiguredComponent) -> UsageError:
    return UsageError(
        f"{component.name} does not say which file has its weights, so they cannot go into a bundle; "
        "leave out --with-weights"
    )


def restore_network(
    component: ConfiguredComponent, record: BackboneRecord, bundle: Bundle
) -> ConfiguredComponent:
    """Return a backbone of this machine that reads its weights from those in the bundle, if it has them.

    Parameters
    ----------
    component : ConfiguredComponent
        The backbone that the record describes, of an installed plugin.
    record : BackboneRecord
        Entry of the manifest.
    bundle : Bundle
        The open bundle. Its weights are copied to `models` in `$STACKKIT_HOME`, once for each content.

    Raises
    ------
    BundleError
        If the weights were altered, or cannot be copied.
    UsageError
        If the installed plugin cannot read its weights from another file.

    """
    if component.boxes and record.boxes:
        component = replace(component, boxes=restore_network(component.boxes, record.boxes, bundle))
    if not record.weights or not record.weights.member:
        return component
    if not _takes_file(component):
        raise UsageError(
            f"{component.name} of {component.component.distribution} {component.component.version} "
            "cannot read weights from a bundle; install the version that made the model, "
            f"{record.component.version}"
        )
    return replace(component, weights_file=_extracted(record.weights, bundle))


def _extracted(weights: WeightsRecord, bundle: Bundle) -> Path:
    # One folder per content: models that share a network share its file, and no other file is replaced.
    folder = models_dir() / weights.sha256
    path = folder / weights.member.rpartition("/")[2]
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise BundleError(
            f"weights of {bundle.path} cannot be copied to {folder} ({error.strerror}); set "
            "STACKKIT_HOME to a folder that is writable"
        ) from error
    if not path.exists():
        try:
            return bundle.extract(weights.member, folder)
        except BundleError:
            if not path.exists():
                raise
            # Another process was faster.
    # Verified each time: it may be of an earlier version, or somebody may have changed it.
    if _sha256(path) != weights.sha256:
        raise BundleError(f"{path} has changed since it came with a model; delete it, and try again")
    return path


def _weights_file(
    component: ConfiguredComponent, network: CheckedBackbone, *, needed: bool
) -> Path | None:
    if not _takes_file(component):
        if needed:
            raise _no_file(component)
        return None
    with component.blamed():
        try:
            path = cast(PortableBackbone, network.backbone).weights_file
            if not isinstance(path, Path | None):
                raise TypeError(f"weights_file must be a Path or None, got {type(path).__name__}")
        except WeightsError:
            if needed:
                raise
            return None
    return path


def _takes_file(component: ConfiguredComponent) -> bool:
    return bool(getattr(component.component.spec, "weights_file", False))


def _source(component: ConfiguredComponent) -> str:
    """Return where the weights came from, without folders, which say much about a person."""
    options = component.options
    text = str(options.get("weights") or options.get("file") or "")
    return Path(text).name if "/" in text or "\\" in text else text


def _weights_record(path: Path, *, source: str, is_member: bool) -> WeightsRecord:
    digest = _sha256(path)
    # The ending stays: it may say which format the file has.
    name = re.sub(r"[^A-Za-z0-9_.-]", "_", path.name).lstrip(".-")[-80:].lstrip(".-") or "weights"
    member = f"weights/{digest[:16]}/{name}" if is_member else ""
    return WeightsRecord(
        name=name, size=path.stat().st_size, sha256=digest, source=source, member=member
    )


def _sha256(path: Path) -> str:
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise WeightsError(f"{path} cannot be read ({error.strerror}); check the file") from error
