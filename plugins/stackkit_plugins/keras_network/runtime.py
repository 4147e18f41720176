"""Keras on TensorFlow, kept quiet and kept from changing what the caller had set."""

from __future__ import annotations

import os
import random
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
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
            _take_gpu_memory_as_needed(tf)
            tf.constant(0)  # looks for devices, which is as talkative as the import
    import keras

    _check_backend(keras.backend.backend())
    require_threads(threads)
    _compute_in_float32()
    return keras


def require_threads(threads: int) -> None:
    """Raise UsageError if TensorFlow is at work here on a number of threads that cannot be had.

    0 takes what there is.
    """
    if "tensorflow" in sys.modules:
        import tensorflow as tf

        _limit(tf, threads)


def threads_of_tensorflow() -> int:
    """How many threads TensorFlow computes on in this process, 0 for all cores."""
    import tensorflow as tf

    threads: int = tf.config.threading.get_intra_op_parallelism_threads()
    return threads


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


def _take_gpu_memory_as_needed(tf: Any) -> None:
    """TensorFlow would take all of it at its start."""
    for gpu in tf.config.list_physical_devices("GPU"):
        # It is too late where the caller has TensorFlow at work, or has divided the GPU.
        with suppress(RuntimeError, ValueError):
            tf.config.experimental.set_memory_growth(gpu, True)


def _compute_in_float32() -> None:
    """A GPU's TensorFloat-32 has 11 bits: features would differ from a CPU's by more than rounding."""
    import tensorflow as tf

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
