"""Send the state of a fitted classifier through text and bytes, as a saved model does."""

from __future__ import annotations

import json

import numpy as np

from stackkit.api.state import State


def transported(state: State) -> State:
    """Return the state as it comes back from a file: JSON, and arrays in C order."""
    return State(
        values=json.loads(json.dumps(dict(state.values), allow_nan=False)),
        arrays={
            name: np.frombuffer(array.tobytes(), array.dtype).reshape(array.shape).copy()
            for name, array in state.arrays.items()
        },
        parts={name: transported(part) for name, part in state.parts.items()},
    )
