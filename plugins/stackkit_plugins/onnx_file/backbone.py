"""Create the backbone `onnx`. Importing this module imports neither onnx nor an engine."""

from __future__ import annotations

from importlib.metadata import PackageNotFoundError, version

from stackkit.api import OptionValue, UsageError, WeightsError, user_path
from stackkit_plugins.onnx_file.network import OnnxNetwork
from stackkit_plugins.onnx_file.options import FASTER, REFERENCE, STORED
from stackkit_plugins.shared.keras_network.engines import engine_version
from stackkit_plugins.shared.keras_network.weights import missing_file
from stackkit_plugins.shared.network import EngineSettings, NetworkBackbone, checked_engine

_INSTALL = {REFERENCE: "pip install 'stackkit[onnx]'", "openvino": "pip install 'stackkit[fast]'"}


def onnx_file(
    *, file: str | None, engine: str, threads: int, batch_size: int, **options: OptionValue
) -> NetworkBackbone:
    """Create a backbone; the file is read when its size, width or revision is needed.

    Parameters
    ----------
    file : str
        Path of an ONNX file; required.
    engine : {"auto", "onnxruntime", "openvino"}
        What computes it.
    threads : int
        CPU threads; 0 means all cores.
    batch_size : int
        Images per pass; 0 is 8.
    **options
        Values of `STORED`.

    Raises
    ------
    UsageError
        If `file` is missing.
    WeightsError
        If there is no such file.
    PluginError
        If the package of the engine is not installed.

    """
    if not file:
        raise UsageError("onnx: file= is required, for example onnx:file=network.onnx")
    path = user_path(file)
    if missing := missing_file(path):
        raise WeightsError(f"onnx: {missing}; pass the path of an ONNX file by file=")
    settings = EngineSettings(engine=engine, threads=threads, batch_size=batch_size)
    checked_engine("onnx", settings, install=_INSTALL)
    defaults = {option.name: option.default for option in STORED}
    given = {name: value for name, value in options.items() if value != defaults[name]}
    return NetworkBackbone(OnnxNetwork(path, given), settings)


def unavailable_reason(*, file: str | None, **others: OptionValue) -> str | None:
    """Return what must be installed or provided before this backbone can run, or None."""
    del others
    try:
        version("onnx")
    except PackageNotFoundError:
        return "onnx is not installed; run: pip install 'stackkit[onnx]'"
    if not any(map(engine_version, (REFERENCE, *FASTER))):
        return f"neither onnxruntime nor openvino is installed; run: {_INSTALL[REFERENCE]}"
    return missing_file(user_path(file)) if file else None
