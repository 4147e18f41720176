"""Feature sets: the features of one backbone on one view of the images, one file in the store each."""

from __future__ import annotations

from collections.abc import Mapping, Sequence, Set
from dataclasses import dataclass, replace
from typing import Any

from stackkit.extraction.backbone import CheckedBackbone
from stackkit.extraction.geometry import ATTENTION, VIEWS, WHOLE, Geometry
from stackkit.store import BackboneKey


@dataclass(frozen=True, slots=True, kw_only=True)
class FeatureSet:
    """The features of one backbone on one view of the images.

    Parameters
    ----------
    backbone : CheckedBackbone
        The backbone.
    view : str
        "whole", or a view of `geometry.VIEWS`.
    boxes : FeatureSet or None
        The boxes of an attention view.
    boxes_named : str
        For an attention view, the user's text for the backbone that finds the boxes, see
        `CheckedBackbone`.

    """

    backbone: CheckedBackbone
    view: str = WHOLE
    boxes: FeatureSet | None = None
    boxes_named: str = ""

    @property
    def label(self) -> str:
        """Name in progress, estimates and reports; that of whole images is the name of the backbone.

        Sets with different keys have different labels.
        """
        name = self.backbone.label_on_whole_images or self.backbone.label
        boxes = f", boxes={self.boxes_named}" if self.boxes_named else ""
        return name if self.view == WHOLE else f"{name} ({self.view}{boxes})"

    @property
    def key(self) -> BackboneKey:
        """The key of the store. Reading it may download the weights."""
        return replace(self.backbone.key, view=self.view, boxes=self._boxes_name)

    @property
    def geometry(self) -> Geometry:
        """The pixels that the backbone sees. For an attention view, reading it may download weights."""
        return replace(whole_geometry(self.backbone), view=self.view, boxes=self._boxes_name)

    @property
    def provenance(self) -> dict[str, Any]:
        """JSON object that describes the origin of the features."""
        view = {} if self.view == WHOLE else {"view": self.view}
        boxes = {"boxes": self.boxes.backbone.provenance["component"]} if self.boxes else {}
        return {**self.backbone.provenance, **view, **boxes}

    @property
    def _boxes_name(self) -> str:
        return self.boxes.key.folder if self.boxes else ""


def whole_geometry(backbone: CheckedBackbone) -> Geometry:
    """Return the geometry of whole images for a backbone."""
    return Geometry(size=backbone.image_size, resize=backbone.resize)


def views_of(backbone: CheckedBackbone) -> list[FeatureSet]:
    """Return the feature sets that a backbone gives to its learner, the whole image first."""
    views = [view for option, parts in VIEWS.items() if option in backbone.views for view in parts]
    boxes = FeatureSet(backbone=backbone.boxes) if backbone.boxes else None
    return [
        FeatureSet(backbone=backbone, view=view, boxes=boxes, boxes_named=backbone.boxes_named)
        if view == ATTENTION
        else FeatureSet(backbone=backbone, view=view)
        for view in (WHOLE, *views)
    ]


def sets_of(backbone: CheckedBackbone) -> list[FeatureSet]:
    """Return the feature sets that a backbone needs: its views, and boxes before their view."""
    return [one for view in views_of(backbone) for one in (view.boxes, view) if one]


def feature_sets(backbones: Sequence[CheckedBackbone]) -> list[FeatureSet]:
    """Return every feature set that backbones need, each once; boxes before the views that use them.

    Backbones that differ only by views share their network and the features of whole images. Reading
    keys may download weights.
    """
    found: dict[BackboneKey, FeatureSet] = {}
    networks: dict[BackboneKey, CheckedBackbone] = {}

    def add(each: FeatureSet) -> FeatureSet:
        network = networks.setdefault(each.backbone.key, each.backbone)
        boxes = add(each.boxes) if each.boxes else None
        return found.setdefault(each.key, replace(each, backbone=network, boxes=boxes))

    for backbone in backbones:
        for each in views_of(backbone):
            add(each)
    return list(found.values())


def only_for_boxes(sets: Sequence[FeatureSet], backbones: Sequence[CheckedBackbone]) -> set[str]:
    """Return the labels of the sets that no learner uses: boxes that nobody named as a backbone."""
    used = {each.key for backbone in backbones for each in views_of(backbone)}
    return {each.label for each in sets if each.key not in used}


def needed(
    sets: Sequence[FeatureSet], pending: Mapping[str, Sequence[int]], hidden: Set[str]
) -> dict[str, list[int]]:
    """Return the rows to compute, by label; a set without an entry is not needed at all.

    Parameters
    ----------
    sets : sequence of FeatureSet
        The sets.
    pending : mapping of str to sequence of int
        Rows of each set that are not stored, by label.
    hidden : set of str
        Labels of boxes that only attention views use: a box is computed only if such a view needs it.

    """
    rows = {each.label: list(pending[each.label]) for each in sets}
    for label in hidden & rows.keys():
        users = [each for each in sets if each.boxes and each.boxes.label == label]
        theirs = {row for user in users for row in pending[user.label]}
        if theirs:
            rows[label] = [row for row in rows[label] if row in theirs]
        else:
            del rows[label]
    return rows
