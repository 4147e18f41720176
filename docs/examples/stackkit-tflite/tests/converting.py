"""Make the model file of the tests: a MobileNet of a quarter of the width, quantized to eight bits.

Run `python converting.py mobilenet.tflite` to make it yourself. It has ImageNet weights if the folder
STACKKIT_TEST_DATA contains them, else random weights.
"""

import os
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np

SIZE, WIDTH = 224, 256


def weights() -> str | None:
    """Return the file with ImageNet weights, if it exists."""
    file = Path(os.environ.get("STACKKIT_TEST_DATA", "")) / "weights" / "mobilenet_v1_0.25_224.h5"
    return str(file) if file.is_file() else None


def examples() -> Iterator[list[np.ndarray]]:
    """Yield inputs from -1 to 1, from which the converter computes its scales."""
    random = np.random.default_rng(0)
    for _ in range(8):
        coarse = random.uniform(-1, 1, (1, 7, 7, 3)).repeat(32, axis=1).repeat(32, axis=2)
        coarse[0, 0, 0], coarse[0, 0, 1] = -1, 1
        yield [coarse.astype(np.float32)]


def convert(target: Path, *, quantized: bool = True) -> None:
    """Write the model file."""
    import keras
    import tensorflow as tf

    keras.utils.set_random_seed(0)
    whole = keras.applications.MobileNet(alpha=0.25, weights=weights())
    pooled = next(layer for layer in whole.layers if "global_average_pooling" in layer.name)
    network = keras.Model(whole.input, keras.layers.Flatten()(pooled.output))
    converter = tf.lite.TFLiteConverter.from_keras_model(network)
    if quantized:
        converter.optimizations = [tf.lite.Optimize.DEFAULT]
        converter.representative_dataset = examples
        converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS_INT8]
        converter.inference_input_type = converter.inference_output_type = tf.int8
    target.write_bytes(converter.convert())


if __name__ == "__main__":
    convert(Path(sys.argv[1]))
