"""Import Keras on TensorFlow quietly, without changing the caller's settings."""

from __future__ import annotations

import os
import random
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

from stackkit.api import PluginError, UsageError
from stackkit_plugins.shared.keras_network.quiet import without_noise

_LOG_LEVEL = "TF_CPP_MIN_LOG_LEVEL"


def import_keras(*, threads: int = 0) -> Any:
    """Import Keras on TensorFlow without TensorFlow's messages.

    Parameters
    ----------
    threads : int
        Number of CPU threads; 0 leaves it to TensorFlow.

    Returns
    -------
    module
        `keras`.

    Raises
    ------
    PluginError
        If Keras is configured for another backend.
    UsageError
        If TensorFlow already runs on another number of threads.

    """
    _check_backend(os.environ.setdefault("KERAS_BACKEND", "tensorflow"))
    # Both variables have an effect only before the first import. `setdefault` respects the user's.
    os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "1")  # not every build enables oneDNN
    if "keras" not in sys.modules or "tensorflow" not in sys.modules:
        with _random_state_kept(), _quiet_stderr():
            import tensorflow as tf

            # Before TensorFlow initialises its devices below: it accepts neither setting afterwards.
            _limit(tf, threads)
            _take_gpu_memory_as_needed(tf)
            tf.constant(0)  # makes TensorFlow look for devices, which prints as much as the import
    import keras

    # keras.json or an earlier import may have decided differently than the environment variable.
    _check_backend(keras.backend.backend())
    require_threads(threads)
    _compute_in_float32()
    return keras


def require_threads(threads: int) -> None:
    """Raise UsageError if TensorFlow already runs in this process on another number of threads.

    0 accepts any number.
    """
    if "tensorflow" in sys.modules:
        import tensorflow as tf

        _limit(tf, threads)


def tensorflow_threads() -> int:
    """Return the number of CPU threads of TensorFlow in this process; 0 means all cores."""
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
            f"threads={threads}: TensorFlow already runs on another number of threads and cannot "
            "change it; use the same number for all backbones"
        ) from error


def _take_gpu_memory_as_needed(tf: Any) -> None:
    """Keep TensorFlow from allocating the whole GPU memory at its start."""
    for gpu in tf.config.list_physical_devices("GPU"):
        # Not possible if the caller already uses TensorFlow, or has split the GPU into virtual ones.
        with suppress(RuntimeError, ValueError):
            tf.config.experimental.set_memory_growth(gpu, True)


def _compute_in_float32() -> None:
    """Disable TensorFloat-32 on GPUs.

    Its significand has 11 bits instead of 24, so features would differ from a CPU's by more than
    float32 rounding although they share one file.
    """
    import tensorflow as tf

    tf.config.experimental.enable_tensor_float_32_execution(False)


def _check_backend(backend: str) -> None:
    if backend != "tensorflow":
        raise PluginError(
            f"Keras backend must be tensorflow, got {backend}; set KERAS_BACKEND=tensorflow"
        )


@contextmanager
def own_settings(keras: Any, *, precision: str = "float32") -> Iterator[None]:
    """Use Keras' default settings, whatever keras.json or the caller configured; restore them after."""
    layout, policy = keras.config.image_data_format(), keras.config.dtype_policy()
    # keras.json may say channels_first, which most CPU kernels do not support.
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
    # Keras seeds every initialiser from Python's global generator, even if weights are loaded later.
    state = random.getstate()
    try:
        yield
    finally:
        random.setstate(state)


@contextmanager
def _quiet_stderr() -> Iterator[None]:
    """Suppress TensorFlow's messages on stderr, unless the user set TF_CPP_MIN_LOG_LEVEL.

    Its libraries write to file descriptor 2 before any log level applies.
    """
    if _LOG_LEVEL in os.environ:
        yield
        return
    os.environ[_LOG_LEVEL] = "2"
    try:
        with without_noise((2,)):
            yield
    finally:
        del os.environ[_LOG_LEVEL]  # child processes would take it for the user's choice
