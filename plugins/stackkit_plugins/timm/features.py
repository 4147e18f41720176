"""From pixels to features in torch, which this module imports."""

from __future__ import annotations

from typing import Any

import torch

from stackkit.api import UsageError


class Features(torch.nn.Module):  # type: ignore[misc]  # torch is not installed where types are checked
    """Pixels in, features out: the preprocessing, the network, and the choice of tokens.

    Parameters
    ----------
    network : torch.nn.Module
        A network of timm without its classifier.
    tokens : {"auto", "cls", "mean", "both"}
    mean, std : sequence of float
        Of the training images, red, green and blue from 0 to 1.
    name : str
        Name of the backbone, for messages.

    """

    def __init__(self, network: Any, *, tokens: str, mean: Any, std: Any, name: str) -> None:
        super().__init__()
        self.network = network
        self.tokens = tokens
        self.name = name
        for key, values in (("mean", mean), ("std", std)):
            numbers = 255 * torch.tensor(values, dtype=torch.float32)
            self.register_buffer(key, numbers.reshape(1, -1, 1, 1), persistent=False)

    def forward(self, images: Any) -> Any:
        """(n, size, size, 3) RGB from 0 to 255 -> (n, width)."""
        pixels = (images.permute(0, 3, 1, 2) - self.mean) / self.std
        if self.tokens == "auto":
            return self.network(pixels)
        # (n, tokens, width); the first ones are the class token, if there is one, and registers.
        tokens = self.network.forward_features(pixels)
        self._require_tokens(tokens)
        parts = []
        if self.tokens in {"cls", "both"}:
            parts.append(tokens[:, 0])
        if self.tokens in {"mean", "both"}:
            parts.append(tokens[:, self.network.num_prefix_tokens :].mean(dim=1))
        # Some networks normalise only what they have pooled.
        normalise = getattr(self.network, "fc_norm", None) or torch.nn.Identity()
        return torch.cat([normalise(part) for part in parts], dim=1)

    def _require_tokens(self, tokens: Any) -> None:
        network = self.network
        if getattr(tokens, "ndim", 0) != 3 or not hasattr(network, "num_prefix_tokens"):
            raise UsageError(
                f"{self.name}: tokens={self.tokens} is for transformers with a row of tokens, and this "
                "network has another output; use tokens=auto"
            )
        if self.tokens != "mean" and getattr(network, "cls_token", None) is None:
            raise UsageError(
                f"{self.name}: tokens={self.tokens}, but the network has no class token; "
                "use tokens=mean or tokens=auto"
            )
