"""Save and restore third-party estimators without a `state`, through skops, for users who trust a file.

Nothing of stackkit's own depends on skops. Its format describes which classes to create and what to put
into them. `skops.io` refuses classes that the reader has not allowed, but that check was bypassed before
(CVE-2025-54412, CVE-2025-54413), and files that it calls clean can exhaust memory or read out of bounds.
So nothing is read unless the user named the component with `--trust`.
"""

from __future__ import annotations

import io
import zipfile
from collections.abc import Collection
from typing import Any

from stackkit.api.errors import PluginError, UsageError
from stackkit.host.configured_component import ConfiguredComponent
from stackkit.host.states import check_restored


def foreign_state(fitted: Any, component: ConfiguredComponent) -> bytes:
    """Return a fitted estimator as skops writes it.

    Parameters
    ----------
    fitted : object
        What `component` made, fitted.
    component : ConfiguredComponent
        A component without a `state`.

    Raises
    ------
    UsageError
        If skops is not installed.
    PluginError
        If skops cannot save it, or it contains classes that `foreign_restored` would refuse.

    """
    skops = require_skops(component)
    with component.blamed():
        data: bytes = skops.dumps(fitted)
        _refuse_unknown_types(skops.get_untrusted_types(data=data), component)
    return data


def foreign_restored(
    data: bytes,
    component: ConfiguredComponent,
    *,
    trust: Collection[str],
    n_classes: int | None = None,
) -> Any:
    """Return a fitted estimator from what `foreign_state` returned.

    Parameters
    ----------
    data : bytes
        From a file; it may be hostile.
    component : ConfiguredComponent
        The component that made the estimator.
    trust : collection of str
        Names of components that the user trusts, short or as "plugin/name".
    n_classes : int or None
        Number of classes of the model, to check labels with.

    Raises
    ------
    UsageError
        If the component is not among `trust`, or skops is not installed.
    PluginError
        If the data cannot be read, or contains classes of other packages than NumPy, SciPy,
        scikit-learn and the plugin's own.

    """
    names = {component.name, component.component.qualified_name}
    if not names.intersection(trust):
        raise UsageError(
            f"{component.name} was saved with skops, because its plugin offers no state without code. "
            "Reading it can run code or exhaust memory, and no check of skops excludes that. If you "
            f"trust the person who made the file, add --trust {component.name}"
        )
    skops = require_skops(component)
    with component.blamed():
        _refuse_compressed(data)
        types = skops.get_untrusted_types(data=data)
        _refuse_unknown_types(types, component)
        fitted = skops.loads(data, trusted=types)
        check_restored(
            fitted,
            component.component.kind,
            probabilities=bool(getattr(component.component.spec, "probabilities", False)),
            n_classes=n_classes,
        )
    return fitted


def require_skops(component: ConfiguredComponent) -> Any:
    """Return the module `skops.io`; raise UsageError that names `component` if it is not installed."""
    try:
        import skops.io
    except ImportError:
        raise UsageError(
            f"{component.name} can only be saved and opened with skops; run: pip install "
            "'stackkit[skops]', or choose a component whose plugin offers a state"
        ) from None
    return skops.io


def _refuse_unknown_types(types: Collection[str], component: ConfiguredComponent) -> None:
    """Raise PluginError for classes that are neither of the usual libraries nor of the plugin."""
    # skops itself lets NumPy, SciPy and scikit-learn pass.
    own = component.component.spec.factory.partition(":")[0].partition(".")[0]
    unknown = sorted(name for name in types if not name.startswith(f"{own}."))
    if unknown:
        raise PluginError(
            f"contains types that are not of NumPy, SciPy, scikit-learn or {own}, which stackkit does "
            f"not read: {', '.join(unknown)}; the plugin needs state= and restore= in its spec"
        )


def _refuse_compressed(data: bytes) -> None:
    """Raise ValueError if a member would need more memory than its share of `data`."""
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        members = archive.infolist()
    stored = all(each.compress_type == zipfile.ZIP_STORED for each in members)
    if not stored or sum(each.file_size for each in members) > len(data):
        raise ValueError("its members are compressed, which stackkit never writes")
