"""Choose an output of a network, also of an inner node, and leave out what it does not need."""

from __future__ import annotations

from difflib import get_close_matches
from typing import TYPE_CHECKING, Any

from stackkit.api import UsageError

if TYPE_CHECKING:
    from stackkit_plugins.onnx_file.reading import OnnxFile

_LISTED = 5


def output_name(file: OnnxFile, given: str | None) -> str:
    """Return the name of the output to compute; raises UsageError that lists names."""
    declared: list[str] = [value.name for value in file.model.graph.output]
    inner = [name for node in file.model.graph.node for name in node.output if name]
    names = ", ".join(declared[:_LISTED]) + (", …" if len(declared) > _LISTED else "")
    if given is None:
        if len(declared) == 1:
            return declared[0]
        raise UsageError(f"{file.path} has {len(declared)} outputs; pass one by output=: {names}")
    if given not in {*declared, *inner}:
        near = get_close_matches(given, inner, n=_LISTED)
        # The last nodes before the classifier are what is usually looked for.
        last = [name for name in reversed(inner) if name not in declared][:_LISTED]
        raise UsageError(
            f"{file.path} has no output {given!r}; its outputs: {names}; "
            f"outputs of inner nodes, such as: {', '.join(near or last) or 'none'}"
        )
    return given


def cut(model: Any, output: str) -> None:
    """Make `output` the only output, and remove the nodes and weights that it does not need."""
    graph = model.graph
    producers = {name: index for index, node in enumerate(graph.node) for name in node.output}
    needed: set[int] = set()
    used, open_names = set(), [output]
    while open_names:
        name = open_names.pop()
        if not name:  # an input that is left out; outputs that are left out have the same empty name
            continue
        used.add(name)
        index = producers.get(name)
        if index is not None and index not in needed:
            needed.add(index)
            open_names += _inputs(graph.node[index])
    _keep(graph.node, lambda index: index in needed)
    _keep(graph.initializer, lambda index: graph.initializer[index].name in used)
    _keep(graph.sparse_initializer, lambda index: graph.sparse_initializer[index].values.name in used)
    declared = [value for value in (*graph.output, *graph.value_info) if value.name == output]
    kept = type(graph.output[0])()
    if declared:
        kept.CopyFrom(declared[0])
    kept.name = output
    for field in ("output", "value_info", "quantization_annotation"):
        graph.ClearField(field)  # shapes that the file states may be for other sizes
    graph.output.append(kept)


def _inputs(node: Any) -> list[str]:
    """Return the names that a node uses; graphs inside it may use any name of the outer graph."""
    names = list(node.input)
    for attribute in node.attribute:
        graphs = [*attribute.graphs, *([attribute.g] if attribute.HasField("g") else [])]
        for graph in graphs:
            names += [value.name for value in graph.output]
            names += [name for inner in graph.node for name in _inputs(inner)]
    return names


def _keep(items: Any, is_kept: Any) -> None:
    # Deleted from the end, one by one: another order would change what the next index means, and a
    # new list would copy all weights.
    for index in reversed(range(len(items))):
        if not is_kept(index):
            del items[index]


def inferred_shape(model: Any) -> tuple[int, ...] | None:
    """Return the shape of the only output with the batch, if it is certain to be an array of floats."""
    import onnx

    try:
        found = onnx.shape_inference.infer_shapes(model, data_prop=True)
    except Exception:  # anything that it does not know; running the network tells
        return None
    tensor = found.graph.output[0].type.tensor_type
    shape = tuple(dim.dim_value for dim in tensor.shape.dim)
    floats = (onnx.TensorProto.FLOAT, onnx.TensorProto.FLOAT16, onnx.TensorProto.DOUBLE)
    known = tensor.elem_type in floats and shape and all(n > 0 for n in shape)
    return shape if known else None
