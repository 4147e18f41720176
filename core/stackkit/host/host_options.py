"""Options that stackkit adds to every component of a kind, because plugins need not know of them."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from stackkit.api.option import Option
from stackkit.api.specs import ComponentSpec, Kind

BOXES = "box"
"""Value of a backbone's own option `pooling` with which its features are boxes."""

RESIZE = Option(
    name="resize",
    default="squash",
    choices=("squash", "crop", "pad"),
    help="how an image becomes a square: squash it, take its centre, or pad it with grey",
)
VIEWS_OF_BACKBONE = Option(
    name="views",
    default=(),
    choices=("mirror", "crops", "attention"),
    several="tuple",
    help="what the network sees besides the whole image",
)
BOXES_FROM = Option(
    name="boxes",
    default=None,
    type=str,
    help="backbone that finds the box of views=attention, with options separated by ;",
)

VIEWS_OF_LEARNER = Option(
    name="views",
    default="rows",
    choices=("rows", "average", "probabilities", "auto"),
    help="of several views per image: each trains (rows), their average trains, the whole image trains "
    "and probabilities are averaged, or held-out images choose between rows and whole images (auto)",
)
"""What a learner does with the views of an image; without views of the backbone it has no effect."""

HOST_OPTIONS: Mapping[Kind, tuple[Option, ...]] = MappingProxyType(
    {"backbone": (RESIZE, VIEWS_OF_BACKBONE, BOXES_FROM), "learner": (VIEWS_OF_LEARNER,)}
)
"""The options by kind of component."""


def host_options(spec: ComponentSpec) -> tuple[Option, ...]:
    """Return the options that stackkit adds to a component and handles itself.

    A plugin that declares an option of the same name keeps it: stackkit's is not added.
    """
    own = {option.name for option in spec.options}
    return tuple(option for option in HOST_OPTIONS.get(spec.kind, ()) if option.name not in own)


def finds_boxes(spec: ComponentSpec) -> bool:
    """Return whether a backbone can find boxes, by its option `pooling`."""
    return any(option.name == "pooling" and BOXES in option.choices for option in spec.options)
