"""Keras on TensorFlow, kept quiet and kept from changing what the caller had set."""

from __future__ import annotations

import os
import random
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from stackkit.api import PluginError, UsageError
from stackkit_plugins.keras_network.quiet import descriptors_held

_LOG_LEVEL = "TF_CPP_MIN_LOG_LEVEL"


def import_keras(*, threads: int = 0) -> Any:
    """Keras on TensorFlow, imported without TensorFlow's chatter.

    `threads` limits what TensorFlow computes on; 0 leaves that to it. Raises PluginError if Keras
    is set to run on something else, UsageError if TensorFlow is at work on other numbers of threads.
    """
    _check_backend(os.environ.setdefault("KERAS_BACKEND", "tensorflow"))
    os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "1")  # not every build has its fast kernels on
    if "keras" not in sys.modules or "tensorflow" not in sys.modules:
        with _random_state_kept(), _quiet_stderr():
            import tensorflow as tf

            _limit(tf, threads)
            _tame_gpus(tf)
            tf.constant(0)  # looks for devices, which is as talkative as the import
    import keras

    _check_backend(keras.backend.backend())
    if threads:
        import tensorflow as tf

        _limit(tf, threads)
    return keras


def _limit(tf: Any, threads: int) -> None:
    if threads in {0, tf.config.threading.get_intra_op_parallelism_threads()}:
        return
    try:
        tf.config.threading.set_intra_op_parallelism_threads(threads)
    except RuntimeError as error:
        raise UsageError(
            f"threads={threads}: TensorFlow is at work on another number of threads, which it cannot "
            "change; give all backbones of a process the same number"
        ) from error


def _tame_gpus(tf: Any) -> None:
    """Take a GPU's memory as it is needed, and compute in float32 where float32 is asked for.

    TensorFlow would take all of the memory at its start, and round to TensorFloat-32's 11 bits:
    features would differ between a GPU and a CPU by more than rounding.
    """
    for gpu in tf.config.list_physical_devices("GPU"):
        tf.config.experimental.set_memory_growth(gpu, True)
    tf.config.experimental.enable_tensor_float_32_execution(False)


def _check_backend(backend: str) -> None:
    if backend != "tensorflow":
        raise PluginError(
            f"Keras is set to run on {backend}, tensorflow is wanted; run with KERAS_BACKEND=tensorflow"
        )


@contextmanager
def own_settings(keras: Any, *, precision: str = "float32") -> Iterator[None]:
    """Build under Keras' factory settings, whatever keras.json or the caller says; put theirs back."""
    layout, policy = keras.config.image_data_format(), keras.config.dtype_policy()
    keras.config.set_image_data_format("channels_last")
    keras.config.set_dtype_policy("mixed_float16" if precision == "mixed" else "float32")
    try:
        with _random_state_kept():
            yield
    finally:
        keras.config.set_image_data_format(layout)
        keras.config.set_dtype_policy(policy)


@contextmanager
def _random_state_kept() -> Iterator[None]:
    # Keras seeds every initialiser from Python's global generator, even where weights replace it.
    state = random.getstate()
    try:
        yield
    finally:
        random.setstate(state)


@contextmanager
def _quiet_stderr() -> Iterator[None]:
    """Hold back TensorFlow's own lines on stderr.

    Its libraries write to file descriptor 2 before any log level applies. A user who set
    TF_CPP_MIN_LOG_LEVEL wants the lines and gets them.
    """
    if _LOG_LEVEL in os.environ:
        yield
        return
    os.environ[_LOG_LEVEL] = "2"
    try:
        with descriptors_held((2,)):
            yield
    finally:
        del os.environ[_LOG_LEVEL]  # processes that we start are not to take it for the user's
