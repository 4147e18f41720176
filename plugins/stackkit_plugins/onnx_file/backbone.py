"""Create the backbone `onnx`. Importing this module imports neither onnx nor an engine."""

from __future__ import annotations

from collections.abc import Sequence
from importlib.metadata import PackageNotFoundError, version
from itertools import chain
from pathlib import Path

from stackkit.api import JoinableBackbone, OptionValue, PluginError, UsageError, WeightsError, user_path
from stackkit_plugins.onnx_file.network import OnnxNetwork, Source
from stackkit_plugins.onnx_file.options import FASTER, REFERENCE, STORED
from stackkit_plugins.shared.keras_network.engines import engine_version
from stackkit_plugins.shared.keras_network.weights import missing_file
from stackkit_plugins.shared.network import EngineSettings, NetworkBackbone, checked_engine

_INSTALL = {REFERENCE: "pip install 'stackkit[onnx]'", "openvino": "pip install 'stackkit[fast]'"}


class OnnxBackbone(NetworkBackbone):
    """A network of an ONNX file as a backbone; poolings of one output are computed in one pass.

    Parameters
    ----------
    network : OnnxNetwork
        What is run.
    settings : EngineSettings
        How it is run.

    """

    network: OnnxNetwork

    @property
    def pass_key(self) -> str:
        """Equal for backbones that one call of the network can serve."""
        return f"{self.network.map_key};{self.settings}"

    def join(self, others: Sequence[JoinableBackbone]) -> OnnxBackbone:
        """Return a backbone with the features of this one and of others side by side, as columns."""
        joined = [each for each in (self, *others) if isinstance(each, OnnxBackbone)]
        sources = chain.from_iterable(each.network.sources for each in joined)
        return OnnxBackbone(OnnxNetwork(tuple(sources)), self.settings)


def onnx_file(
    *,
    file: str | None,
    engine: str,
    threads: int,
    batch_size: int,
    weights_file: Path | None = None,
    **options: OptionValue,
) -> OnnxBackbone:
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
    weights_file : Path or None
        A copy of the file, which is read instead.
    **options
        Values of `STORED`.

    Raises
    ------
    UsageError
        If `file` is missing.
    WeightsError
        If there is no such file.
    PluginError
        If the package of the engine, or of any, is not installed.

    """
    if not file:
        raise UsageError("onnx: file= is required, for example onnx:file=network.onnx")
    path = weights_file or user_path(file)
    if missing := missing_file(path):
        raise WeightsError(f"onnx: {missing}; pass the path of an ONNX file by file=")
    settings = EngineSettings(engine=engine, threads=threads, batch_size=batch_size)
    checked_engine("onnx", settings, install=_INSTALL)
    if missing_engine := _missing_engine():
        raise PluginError(f"onnx: {missing_engine}")
    defaults = {option.name: option.default for option in STORED}
    given = {name: value for name, value in options.items() if value != defaults[name]}
    return OnnxBackbone(OnnxNetwork((Source(path, given),)), settings)


def unavailable_reason(*, file: str | None, **others: OptionValue) -> str | None:
    """Return what must be installed or provided before this backbone can run, or None."""
    del others
    try:
        version("onnx")
    except PackageNotFoundError:
        return "onnx is not installed; run: pip install 'stackkit[onnx]'"
    if missing_engine := _missing_engine():
        return missing_engine
    return missing_file(user_path(file)) if file else "give the path of a network by file="


def _missing_engine() -> str | None:
    """Return what to install if there is no engine at all, or None."""
    if any(map(engine_version, (REFERENCE, *FASTER))):
        return None
    return f"neither onnxruntime nor openvino is installed; run: {_INSTALL[REFERENCE]}"
