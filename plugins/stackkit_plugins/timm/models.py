"""Short names for networks of timm: what must be known before timm is imported."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Model:
    """A network with pretrained weights on timm's hub.

    Attributes
    ----------
    name : str
        Name of the backbone.
    model : str
        Name in timm, with the tag of the weights.
    title : str
        What it is, for listings.
    licence : str
        Licence of the weights, from timm's own configuration of the network.
    size : int
        Default side of the images in pixels.
    width : int
        Number of features with timm's own pooling.
    weights : float
        Millions of weights, including a classifier that the file contains.

    """

    name: str
    model: str
    title: str
    licence: str
    size: int
    width: int
    weights: float

    @property
    def summary(self) -> str:
        """One line for listings."""
        return f"{self.title}, {self.licence}, {self.weights:.0f} million weights"

    @property
    def download_bytes(self) -> int:
        """About the size of the weights file: four bytes per weight."""
        return round(self.weights * 4e6)


MODELS: tuple[Model, ...] = (
    # 224 and not the 518 pixels of the last training steps: its authors evaluate linear classifiers at
    # this size too, and it has a fifth of the patches.
    Model(
        name="dinov2-small",
        model="vit_small_patch14_dinov2.lvd142m",
        title="DINOv2 ViT-S/14",
        licence="Apache-2.0",
        size=224,
        width=384,
        weights=22.1,
    ),
    Model(
        name="dinov2-base",
        model="vit_base_patch14_dinov2.lvd142m",
        title="DINOv2 ViT-B/14",
        licence="Apache-2.0",
        size=224,
        width=768,
        weights=86.6,
    ),
    Model(
        name="dinov3-small",
        model="vit_small_patch16_dinov3.lvd1689m",
        title="DINOv3 ViT-S/16",
        licence="DINOv3 License",
        size=256,
        width=384,
        weights=21.6,
    ),
    Model(
        name="siglip2-base",
        model="vit_base_patch16_siglip_224.v2_webli",
        title="SigLIP 2 ViT-B/16",
        licence="Apache-2.0",
        size=224,
        width=768,
        weights=92.9,
    ),
    Model(
        name="convnextv2-tiny",
        model="convnextv2_tiny.fcmae_ft_in22k_in1k",
        title="ConvNeXt V2 Tiny",
        licence="CC-BY-NC-4.0",
        size=224,
        width=768,
        weights=28.6,
    ),
    Model(
        name="eva02-small",
        model="eva02_small_patch14_336.mim_in22k_ft_in1k",
        title="EVA-02 ViT-S/14",
        licence="MIT",
        size=336,
        width=384,
        weights=22.1,
    ),
    Model(
        name="eva02-base",
        model="eva02_base_patch14_448.mim_in22k_ft_in22k_in1k",
        title="EVA-02 ViT-B/14",
        licence="MIT",
        size=448,
        width=768,
        weights=87.1,
    ),
)
