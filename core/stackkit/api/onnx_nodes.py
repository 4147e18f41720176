"""Collect the nodes of an ONNX graph, so that a component can say how ONNX computes what it computes."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, TypeAlias

if TYPE_CHECKING:
    from numpy.typing import NDArray

OnnxTensor: TypeAlias = "str | NDArray[Any]"
"""The name of a tensor in the graph, or an array, which becomes a constant."""

OPSET = 18
"""Version of the operators: the first one in which all reductions take their axes as an input."""

IR_VERSION = 8
"""Version of the file format; the one that belongs to the operators."""

TINY = 1e-12
"""Probabilities below count as this one where stackkit or `OnnxNodes.log` takes their logarithm."""


class OnnxNodes:
    """The nodes and constants of a graph that is being built.

    Nothing is in the graph twice: a node or a constant that equals an earlier one is that one.
    Components that share a network therefore share its nodes.

    Examples
    --------
    >>> import numpy as np
    >>> nodes = OnnxNodes()
    >>> scores = nodes.add("MatMul", "features", np.ones((8, 3)))
    >>> probabilities = nodes.add("Softmax", scores, axis=1)

    """

    def __init__(self) -> None:
        self._nodes: list[Any] = []
        self._constants: dict[str, Any] = {}
        self._known: dict[object, tuple[str, ...]] = {}
        self._count = 0

    def add(self, operator: str, *inputs: OnnxTensor, **attributes: Any) -> str:
        """Add a node with one output, and return the name of that.

        Parameters
        ----------
        operator : str
            Name of an ONNX operator of opset 18, such as "MatMul".
        *inputs : str or ndarray
            Names of tensors, or constants; "" leaves out an optional input.
        **attributes
            Attributes of the operator.

        """
        return self.add_several(operator, *inputs, outputs=1, **attributes)[0]

    def add_several(
        self, operator: str, *inputs: OnnxTensor, outputs: int, **attributes: Any
    ) -> tuple[str, ...]:
        """Add a node with several outputs, and return their names."""
        import onnx
        from onnx import helper

        names = [each if isinstance(each, str) else self.constant(each) for each in inputs]
        key = None
        if not any(isinstance(each, onnx.GraphProto) for each in attributes.values()):
            key = (operator, tuple(names), outputs, repr(sorted(attributes.items())))
        if key in self._known:
            return self._known[key]
        made = tuple(self.name(operator) for _ in range(outputs))
        self._nodes.append(helper.make_node(operator, names, list(made), **attributes))
        if key:
            self._known[key] = made
        return made

    def constant(self, array: NDArray[Any]) -> str:
        """Add an array as a constant, and return its name."""
        import numpy as np
        from onnx import numpy_helper

        array = np.asarray(array, order="C")
        key = (array.dtype.str, array.shape, hashlib.sha256(array.tobytes()).digest())
        if key not in self._known:
            name = self.name("constant")
            self._constants[name] = numpy_helper.from_array(array, name)
            self._known[key] = (name,)
        return self._known[key][0]

    def name(self, prefix: str) -> str:
        """Return a name that no other tensor has."""
        self._count += 1
        return f"{prefix}_{self._count}"

    def choose(
        self, condition: str, then: Callable[[OnnxNodes], str], otherwise: Callable[[OnnxNodes], str]
    ) -> str:
        """Compute one of two things, by a bool that is known only when the graph runs.

        Parameters
        ----------
        condition : str
            A bool tensor without axes.
        then, otherwise : callable
            Each adds nodes to the `OnnxNodes` that it gets, and returns the name of a tensor. It may use
            tensors of the graph around it.

        """
        return self.add("If", condition, then_branch=self._part(then), else_branch=self._part(otherwise))

    def _part(self, build: Callable[[OnnxNodes], str]) -> Any:
        from onnx import helper

        inner = OnnxNodes()
        inner._count = self._count  # names are unique in the graph and its parts together
        output = build(inner)
        self._count = inner._count
        constants = list(inner._constants.values())
        value = helper.make_empty_tensor_value_info(output)
        return helper.make_graph(inner._nodes, self.name("part"), [], [value], constants)

    def cast(self, tensor: OnnxTensor, dtype: Any) -> str:
        """Convert a tensor to a NumPy dtype."""
        import numpy as np
        from onnx import helper

        return self.add("Cast", tensor, to=helper.np_dtype_to_tensor_dtype(np.dtype(dtype)))

    def log(self, probabilities: OnnxTensor) -> str:
        """Return the logarithm of float64 probabilities, each at least that of `TINY`."""
        import numpy as np

        return self.add("Log", self.add("Max", probabilities, np.array(TINY)))

    def in_columns(self, values: OnnxTensor, columns: Sequence[int], count: int) -> str:
        """Place (n, k) float64 values in k of `count` columns; the others are 0."""
        import numpy as np

        if list(columns) == list(range(count)):
            return values if isinstance(values, str) else self.constant(values)
        return self.add("MatMul", values, np.eye(count)[list(columns)])

    def model(
        self,
        inputs: Mapping[str, tuple[Any, Sequence[int | str]]],
        outputs: Mapping[str, tuple[str, Any, Sequence[int | str]]],
        *,
        description: str = "",
        metadata: Mapping[str, str] | None = None,
    ) -> bytes:
        """Return an ONNX file with the nodes that its outputs depend on.

        Parameters
        ----------
        inputs : mapping of str to (dtype, shape)
            Inputs by name. A text in a shape is a size that is known only when the graph runs.
        outputs : mapping of str to (str, dtype, shape)
            Outputs by name; the first text is the tensor that becomes the output.
        description : str
            One line for people.
        metadata : mapping of str to str, optional
            Further facts, by name.

        """
        import numpy as np
        from onnx import helper

        def info(name: str, dtype: Any, shape: Sequence[int | str]) -> Any:
            kind = helper.np_dtype_to_tensor_dtype(np.dtype(dtype))
            return helper.make_tensor_value_info(name, kind, list(shape))

        renamed = [
            helper.make_node("Identity", [tensor], [name]) for name, (tensor, _, _) in outputs.items()
        ]
        nodes = _needed([*self._nodes, *renamed], set(outputs))
        used = {name for node in nodes for name in _inputs(node)}
        graph = helper.make_graph(
            nodes,
            "stackkit",
            [info(name, *each) for name, each in inputs.items()],
            [info(name, *each) for name, (_, *each) in outputs.items()],
            [value for name, value in self._constants.items() if name in used],
        )
        made = helper.make_model(
            graph,
            opset_imports=[helper.make_opsetid("", OPSET)],
            ir_version=IR_VERSION,
            producer_name="stackkit",
            doc_string=description,
        )
        helper.set_model_props(made, dict(metadata or {}))
        content: bytes = made.SerializeToString(deterministic=True)
        return content


def _needed(nodes: Sequence[Any], outputs: set[str]) -> list[Any]:
    """Return the nodes that some outputs depend on, in their order: each comes after its inputs."""
    needed, kept = set(outputs), []
    for node in reversed(nodes):
        if needed & set(node.output):
            needed |= _inputs(node)
            kept.append(node)
    return kept[::-1]


def _inputs(node: Any) -> set[str]:
    """Return the tensors that a node and the graphs inside it read."""
    inside = (inner for attribute in node.attribute for inner in attribute.g.node)
    return set(node.input).union(*map(_inputs, inside))
