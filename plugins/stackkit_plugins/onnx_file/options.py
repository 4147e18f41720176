"""The options of `onnx`, which a file can also carry in its own metadata."""

from __future__ import annotations

from stackkit.api import Option
from stackkit_plugins.onnx_file.pooling import MAP, TOKENS
from stackkit_plugins.shared.network.settings import engine_options

REFERENCE = "onnxruntime"
FASTER = ("openvino",)

STORED = (
    Option(
        name="size",
        default=None,
        type=int,
        minimum=1,
        help="side of the images in pixels; default: from the file",
    ),
    Option(
        name="layout",
        default="auto",
        choices=("auto", "nchw", "nhwc"),
        help="order of the input's axes; auto: where its shape has 3 channels",
    ),
    Option(
        name="channels",
        default="auto",
        choices=("auto", "rgb", "bgr"),
        help="order of the colours; auto: from the file's metadata, else rgb",
    ),
    Option(
        name="mean",
        default=None,
        type=str,
        help="subtracted from pixels: a number, three such as 0.5/0.4/0.3, or imagenet",
    ),
    Option(
        name="std",
        default=None,
        type=str,
        help="divides pixels after that: a number, three, or imagenet",
    ),
    Option(
        name="scale",
        default=None,
        type=float,
        above=0,
        help="value of white before mean and std: 1 (default) or 255",
    ),
    Option(
        name="output",
        default=None,
        type=str,
        help="name of the output, also of an inner node's; default: the file's only output",
    ),
    Option(
        name="pooling",
        default="auto",
        choices=("auto", *MAP, *TOKENS),
        several="expand",
        help="of maps or tokens; auto: avg, or cls if there is a class token, or mean",
    ),
)
"""Options whose text a file may carry in its metadata under `stackkit.NAME`."""

OPTIONS = (
    Option(name="file", default=None, type=str, help="path of the ONNX file (required)"),
    *STORED,
    *engine_options(REFERENCE, *FASTER),
)
