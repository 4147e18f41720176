"""Make small ONNX files, and a real one: EfficientNet-Lite0 with its packaged ImageNet weights."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from stackkit_plugins.efficientnet_lite import architecture
from stackkit_plugins.efficientnet_lite.backbone import LITE0
from stackkit_plugins.efficientnet_lite.torch_checkpoint import read_checkpoint

IMAGE = ("n", 3, 32, 32)


def model(
    nodes: Sequence[Any],
    *,
    inputs: Mapping[str, Sequence[Any]] | None = None,
    outputs: Sequence[str] = ("y",),
    weights: Mapping[str, np.ndarray] | None = None,
    dtype: int = TensorProto.FLOAT,
    metadata: Mapping[str, str] | None = None,
) -> Any:
    """Make a model; `inputs` are shapes by name, (n, 3, 32, 32) by default."""
    made = helper.make_model(
        helper.make_graph(
            list(nodes),
            "network",
            [helper.make_tensor_value_info(k, dtype, v) for k, v in (inputs or {"x": IMAGE}).items()],
            [onnx.ValueInfoProto(name=name) for name in outputs],
            [numpy_helper.from_array(array, name) for name, array in (weights or {}).items()],
        ),
        opset_imports=[helper.make_opsetid("", 17)],
        ir_version=8,
    )
    helper.set_model_props(made, dict(metadata or {}))
    return made


def convolution(*, channels: int = 5, nhwc: bool = False, **settings: Any) -> Any:
    """Make a network: a 4 x 4 map `map` of `channels` channels by a convolution, and `y`, its mean."""
    kernel = np.random.default_rng(1).normal(size=(channels, 3, 8, 8)).astype(np.float32)
    nodes = [
        helper.make_node("Conv", ["seen" if nhwc else "x", "kernel"], ["map"], strides=[8, 8]),
        helper.make_node("GlobalAveragePool", ["map"], ["mean"]),
        helper.make_node("Flatten", ["mean"], ["y"]),
    ]
    if nhwc:
        nodes.insert(0, helper.make_node("Transpose", ["x"], ["seen"], perm=[0, 3, 1, 2]))
    return model(nodes, weights={"kernel": kernel}, **settings)


def tokens(*, count: int = 17, width: int = 3) -> Any:
    """Make a network with `count` tokens: one before those of a 4 x 4 grid by default."""
    kernel = np.random.default_rng(2).normal(size=(width, 3, 8, 8)).astype(np.float32)
    before = np.random.default_rng(3).normal(size=(1, count - 16, width)).astype(np.float32)
    nodes = [
        helper.make_node("Conv", ["x", "kernel"], ["map"], strides=[8, 8]),
        helper.make_node("Reshape", ["map", "flat"], ["flat_map"]),
        helper.make_node("Transpose", ["flat_map"], ["patches"], perm=[0, 2, 1]),
        helper.make_node("ReduceSum", ["patches", "axis"], ["sum"]),
        helper.make_node("Mul", ["sum", "before"], ["first"]),
        helper.make_node("Concat", ["first", "patches"], ["y"], axis=1),
    ]
    weights = {
        "kernel": kernel,
        "flat": np.array([0, width, 16]),
        "axis": np.array([1]),
        "before": before,
    }
    return model(nodes, weights=weights)


def efficientnet_lite0(path: Path) -> Path:
    """Write EfficientNet-Lite0 as its authors would export it; its features are the node `features`."""
    tensors = read_checkpoint(LITE0.packaged_file())
    nodes: list[Any] = []

    def add(kind: str, inputs: list[str], output: str, **attributes: Any) -> str:
        nodes.append(helper.make_node(kind, inputs, [output], **attributes))
        return output

    def convolve(x: str, name: str, norm: str, *, stride: int = 1, active: bool = True) -> str:
        kernel = tensors[f"{name}.weight"]
        group = len(kernel) if "depthwise" in name else 1
        x = add(
            "Conv", [x, f"{name}.weight"], f"{name}.out",
            strides=[stride] * 2, group=group, auto_pad="SAME_UPPER",
            kernel_shape=kernel.shape[2:],
        )  # fmt: skip
        parts = [f"{norm}.{part}" for part in ("weight", "bias", "running_mean", "running_var")]
        x = add("BatchNormalization", [x, *parts], f"{norm}.out", epsilon=1e-3)
        return add("Clip", [x, "zero", "six"], f"{norm}.active") if active else x

    x = convolve("images", "_conv_stem", "_bn0", stride=2)
    for index, stage in enumerate(architecture._blocks(architecture.LITE0)):
        block, source = f"_blocks.{index}", x
        if stage.expansion != 1:
            x = convolve(x, f"{block}._expand_conv", f"{block}._bn0")
        x = convolve(x, f"{block}._depthwise_conv", f"{block}._bn1", stride=stage.stride)
        x = convolve(x, f"{block}._project_conv", f"{block}._bn2", active=False)
        # The shortcut of a block that keeps its shape: stride 1 and as many channels as it was given.
        if stage.stride == 1 and tensors[f"{block}._project_conv.weight"].shape[0] == _channels(
            tensors, block
        ):
            x = add("Add", [x, source], f"{block}.sum")
    x = convolve(x, "_conv_head", "_bn1")
    x = add("Flatten", [add("GlobalAveragePool", [x], "pooled")], "features")
    add("Gemm", [x, "_fc.weight", "_fc.bias"], "logits", transB=1)
    weights = {name: value for name, value in tensors.items() if value.dtype == np.float32}
    made = model(
        nodes,
        inputs={"images": ("n", 3, 224, 224)},
        outputs=["logits"],
        weights={**weights, "zero": np.float32(0), "six": np.float32(6)},
        metadata={"stackkit.scale": "255", "stackkit.mean": "127", "stackkit.std": "128"},
    )
    onnx.save(made, path)
    return path


def _channels(tensors: Mapping[str, np.ndarray], block: str) -> int:
    """Return how many channels a block is given."""
    expanded = tensors.get(f"{block}._expand_conv.weight")
    if expanded is not None:
        return int(expanded.shape[1])
    return len(tensors[f"{block}._depthwise_conv.weight"])
