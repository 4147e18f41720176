"""Keras on TensorFlow, kept quiet and kept from changing what the caller had set."""

from __future__ import annotations

import os
import random
import re
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from typing import IO, Any

from stackkit.api import PluginError

_LOG_LEVEL = "TF_CPP_MIN_LOG_LEVEL"
# What TensorFlow's C++ libraries write to stderr on import, whatever the log level.
_NOISE = re.compile(
    rb"WARNING: All log messages before absl::InitializeLog"
    rb"|[IWE]\d{4} \d\d:\d\d:[\d.]+ +\d+ [\w./]+:\d+\]"
    rb"|\d{4}-\d\d-\d\d \d\d:\d\d:[\d.]+: [IWE] \S*tensorflow/"
    rb"|To enable the following instructions: "
)


def import_keras() -> Any:
    """Keras on TensorFlow, imported without TensorFlow's chatter.

    Raises PluginError if Keras is set to run on something else.
    """
    _check_backend(os.environ.setdefault("KERAS_BACKEND", "tensorflow"))
    if "keras" not in sys.modules or "tensorflow" not in sys.modules:
        with _random_state_kept(), _quiet_stderr():
            import tensorflow as tf

            tf.constant(0)  # looks for devices, which is as talkative as the import
    import keras

    _check_backend(keras.backend.backend())
    return keras


def _check_backend(backend: str) -> None:
    if backend != "tensorflow":
        raise PluginError(
            f"Keras is set to run on {backend}, tensorflow is wanted; run with KERAS_BACKEND=tensorflow"
        )


@contextmanager
def own_settings(keras: Any) -> Iterator[None]:
    """Build under Keras' factory settings, whatever keras.json or the caller says; put theirs back."""
    layout, policy = keras.config.image_data_format(), keras.config.dtype_policy()
    keras.config.set_image_data_format("channels_last")
    keras.config.set_dtype_policy("float32")
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
    """Hold back TensorFlow's own lines on stderr; any other line is written when the block ends.

    Its libraries write to file descriptor 2 before any log level applies, so that is what is held.
    A user who set TF_CPP_MIN_LOG_LEVEL wants the lines and gets them.
    """
    if _LOG_LEVEL in os.environ:
        yield
        return
    os.environ[_LOG_LEVEL] = "2"
    try:
        original = os.dup(2)
    except OSError:  # stderr is closed: nobody would read the lines
        yield
        return
    with tempfile.TemporaryFile() as held:
        _flush_stderr()
        os.dup2(held.fileno(), 2)
        try:
            yield
        finally:
            _flush_stderr()
            os.dup2(original, 2)
            os.close(original)
            _pass_on(held)


def _flush_stderr() -> None:
    if sys.stderr is not None:
        sys.stderr.flush()


def _pass_on(held: IO[bytes]) -> None:
    held.seek(0)
    for line in held:
        if not _NOISE.match(line):
            os.write(2, line)
