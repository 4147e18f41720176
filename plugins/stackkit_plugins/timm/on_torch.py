"""Run a network on torch, which this module imports."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import torch

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


class OnTorch:
    """A network on torch, the reference that OpenVINO is compared with.

    Parameters
    ----------
    module : torch.nn.Module
        See `Built`.
    on_gpu : bool
    threads : int
        CPU threads; 0: as many as torch uses in this process.
    mixed : bool
        Compute products in bfloat16: it has the range of float32, so nothing overflows, and 8 bits of
        significand.

    """

    takes_bytes = True
    """Pixels go to the GPU as bytes: as float32 they would take longer there than the network."""

    def __init__(self, module: Any, *, on_gpu: bool, threads: int, mixed: bool = False) -> None:
        self._device = torch.device("cuda" if on_gpu else "cpu")
        self._module = module.to(self._device)
        self._threads = threads
        self._mixed = mixed

    def __call__(self, images: NDArray[np.uint8 | np.float32], /) -> NDArray[np.float32]:
        """Compute features: (n, size, size, 3) RGB from 0 to 255 -> (n, width) float32."""
        # TensorFloat-32 has 11 bits of significand, so features would differ from a CPU's by more than
        # rounding although they share one file.
        exact = torch.backends.cudnn.flags(enabled=torch.backends.cudnn.enabled, allow_tf32=False)
        mixed = torch.autocast(self._device.type, dtype=torch.bfloat16, enabled=self._mixed)
        with torch.inference_mode(), exact, mixed, _threads(self._threads):
            batch = torch.tensor(images, device=self._device).float()
            features: NDArray[np.float32] = self._module(batch).float().cpu().numpy()
        return features

    def release(self) -> None:
        """Do nothing: torch keeps no activations between calls."""


@contextmanager
def _threads(threads: int) -> Iterator[None]:
    """Limit torch's threads, which the whole process shares, for one call."""
    before = torch.get_num_threads()
    try:
        torch.set_num_threads(threads or before)
        yield
    finally:
        torch.set_num_threads(before)
