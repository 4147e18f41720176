"""What the server says about its model and its limits, for the page and for programs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from stackkit.serving.limits import Limits

if TYPE_CHECKING:
    from stackkit.model.model import Model


@dataclass(frozen=True, slots=True, kw_only=True)
class LimitsDocument:
    """What a request may have at most."""

    upload_bytes: int
    image_pixels: int
    images: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelDocument:
    """The body of GET /model; see `About`."""

    name: str
    classes: list[str]
    networks: list[str]
    accuracy: str
    limits: LimitsDocument


@dataclass(frozen=True, slots=True, kw_only=True)
class About:
    """A model in a few words.

    Parameters
    ----------
    name : str
        Name of the bundle.
    classes : tuple of str
        Names of the classes.
    networks : tuple of str
        Names of the backbones.
    accuracy : str
        Expected accuracy in words; "" if it is not known.

    """

    name: str
    classes: tuple[str, ...]
    networks: tuple[str, ...]
    accuracy: str = ""

    def document(self, limits: Limits) -> dict[str, Any]:
        """Return the JSON object of GET /model."""
        shown = LimitsDocument(
            upload_bytes=limits.upload_bytes, image_pixels=limits.image_pixels, images=limits.images
        )
        return {**asdict(self), "limits": asdict(shown)}


def about(model: Model, name: str) -> About:
    """Describe a model."""
    return About(
        name=name,
        classes=model.classes,
        networks=tuple(each.name for each in model.backbones),
        accuracy=_in_words(model.facts.get("accuracy")),
    )


def _in_words(found: Mapping[str, Any] | None) -> str:
    if not found:
        return ""
    low, high = (100 * end for end in found["interval"])
    return f"expected accuracy {100 * found['accuracy']:.1f} % [{low:.1f}, {high:.1f}]"
