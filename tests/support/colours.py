"""A plugin in one file: two cheap backbones without weights, for models in tests."""

import numpy as np

from stackkit.api import BackboneSpec, hookimpl


@hookimpl
def stackkit_backbones():
    return [
        BackboneSpec(
            name="mean-colours", summary="mean colour of 16 tiles", factory="colours:MeanColours"
        ),
        BackboneSpec(
            name="colour-shares", summary="share of 27 colours", factory="colours:ColourShares"
        ),
    ]


class MeanColours:
    """Mean colour of each of 16 tiles: (n, 32, 32, 3) -> (n, 48)."""

    image_size, feature_dim, trained, revision = 32, 48, True, "1"

    def extract(self, images):
        tiles = images.reshape(len(images), 4, 8, 4, 8, 3).mean(axis=(2, 4)) / 255
        return tiles.reshape(len(images), 48).astype(np.float32)


class ColourShares:
    """Share of each of 27 colours: (n, 32, 32, 3) -> (n, 27)."""

    image_size, feature_dim, trained, revision = 32, 27, True, "1"

    def extract(self, images):
        cells = images.astype(np.int64) * 3 // 256 @ np.array([9, 3, 1])
        counts = [np.bincount(each.ravel(), minlength=27) for each in cells]
        return (np.stack(counts) / 32**2).astype(np.float32)
