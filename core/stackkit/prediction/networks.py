"""The networks of a model: opened and prepared once, then from decoded images to features."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from stackkit.api.errors import BundleError, WeightsError
from stackkit.api.reporter import Reporter
from stackkit.evaluation.features import Features
from stackkit.extraction.backbone import CheckedBackbone, make_backbone
from stackkit.extraction.boxes import Boxes, checked_boxes
from stackkit.extraction.decoding import Chunk, Decoder, Request
from stackkit.extraction.feature_set import feature_sets, views_of, whole_geometry
from stackkit.extraction.geometry import Geometry
from stackkit.extraction.network_calls import ComputedSet, by_call, call, require_finite
from stackkit.extraction.passes import passes
from stackkit.host.configured_component import MACHINE, ConfiguredComponent
from stackkit.prediction.patience import WhileWaiting
from stackkit.store import BackboneKey

CHUNK = 32
"""Number of images that are decoded together, if their pixels fit; as in an extraction."""

CHUNK_BYTES = 2**28
"""Most bytes of the pixels that are decoded together. A model may ask for large images and batches."""

LARGEST_SIDE = 4096
"""Largest images that networks may ask for, in pixels. A model may come from anybody."""

PROBES = 8
"""Networks are prepared with so many images, at least: with fewer, some compare no engine."""

EXPECTED = 32
"""A model is told to expect so many images, at least. It is used again and again, so that an engine
that is set up now pays off."""


def on_machine(
    component: ConfiguredComponent, device: str | None, threads: int | None
) -> ConfiguredComponent:
    """Return a backbone that computes on this device and with so many threads, if it has a choice."""
    declared = {option.name: option for option in component.component.spec.options}
    given = dict(zip(MACHINE, (device, threads), strict=True))
    values = {
        name: declared[name].parse(str(value))
        for name, value in given.items()
        if value is not None and name in declared
    }
    boxes = component.boxes and on_machine(component.boxes, device, threads)
    return replace(component, options={**component.options, **values}, boxes=boxes)


def open_backbones(
    components: Sequence[ConfiguredComponent], revisions: Sequence[str]
) -> list[CheckedBackbone]:
    """Create the backbones of a model, and check that they are the ones it was fitted on.

    Raises
    ------
    WeightsError
        If weights are missing, or a backbone has another revision than the model was fitted on.
    PluginError
        If a plugin fails.
    BundleError
        If a backbone asks for images that are too large.

    """
    opened = []
    for component, expected in zip(components, revisions, strict=True):
        backbone = make_backbone(component)
        side = max(each.image_size for each in (backbone, backbone.boxes) if each)
        if side > LARGEST_SIDE:
            raise BundleError(
                f"{backbone.label}: the model asks for images of {side:,} pixels, and at "
                f"most {LARGEST_SIDE:,} are allowed; train it again with a smaller size"
            )
        with component.blamed():
            # With or without the digest of a third party's code, as the model has it.
            found, declared = backbone.key.revision, backbone.declared_key.revision
        if expected not in (found, declared):
            raise WeightsError(
                f"{backbone.label}: the model was fitted on revision {expected!r}, and this machine has "
                f"{found!r}, whose features differ; install the versions of stackkit, plugins and "
                "weights that the model was made with, or train it again"
            )
        opened.append(backbone)
    return opened


class Networks:
    """Opened networks; not thread-safe.

    Parameters
    ----------
    backbones : sequence of CheckedBackbone
        The backbones of a model, in its order.
    reporter : Reporter
        Receives what backbones say while they are prepared.

    """

    def __init__(self, backbones: Sequence[CheckedBackbone], reporter: Reporter) -> None:
        self._backbones = backbones
        self._reporter = reporter
        self._sets = feature_sets(backbones)
        networks = {id(one.backbone): one.backbone for one in self._sets}
        self._passes = passes(list(networks.values()))
        shared = {id(member): each for each in self._passes for member in each.members}
        self._computed = [
            ComputedSet(feature_set=one, geometry=one.geometry, shared=shared[id(one.backbone)])
            for one in self._sets
        ]
        self._keys = [[each.key for each in views_of(backbone)] for backbone in backbones]
        self._is_prepared = False
        self._most = max(1, CHUNK_BYTES // sum(3 * side * side for side in self._sides()))
        self.chunk_size = min(CHUNK, self._most)

    def features(
        self, decoder: Decoder, chunk: Chunk, names: Sequence[str]
    ) -> tuple[list[int], list[Features], Chunk]:
        """Compute the features of the images of a chunk that `first_look` requested.

        Parameters
        ----------
        decoder : Decoder
            What decoded the chunk, for a second look.
        chunk : Chunk
            The images.
        names : sequence of str
            The name of every image of the decoder's dataset, for error messages.

        Returns
        -------
        rows : list of int
            The images that have features, by their numbers in the dataset of the decoder.
        features : list of Features
            One entry per backbone of the model; row i is that of `rows[i]`.
        chunk : Chunk
            The last chunk that was decoded: the one given, or a second look.

        """
        if not chunk.rows:
            return [], [], chunk
        self.prepare(chunk)
        first = [each for each in self._computed if not each.geometry.boxes]
        second = [each for each in self._computed if each.geometry.boxes]
        found = _computed(first, chunk, names)
        rows = chunk.rows
        if second:
            chunk = decoder.chunk(self._second_look(rows, second, found))
            if chunk.failed:  # a file that has vanished since the first look
                kept = [rows.index(row) for row in chunk.rows]
                found = {key: values[kept] for key, values in found.items()}
            rows = chunk.rows
            found |= _computed(second, chunk, names) if rows else {}
        return rows, self._arranged(found) if rows else [], chunk

    def first_look(self, numbers: Sequence[int]) -> Request:
        """Return what to decode of images: everything but the parts that a network has to find."""
        whole = [whole_geometry(each.backbone) for each in self._passes]
        others = [each.geometry for each in self._computed if not each.geometry.boxes]
        return Request(numbers=numbers, geometries=list(dict.fromkeys([*whole, *others])))

    def prepare(self, chunk: Chunk, expected: int = EXPECTED) -> None:
        """Let each network choose its engine on images of a chunk, unless that was done before."""
        if self._is_prepared:
            return
        for each in self._passes:
            each.backbone.expect(max(expected, EXPECTED))
        with WhileWaiting(self._reporter.message) as tell:
            ready = [
                each.backbone.prepare(_probes(chunk.pixels[whole_geometry(each.backbone)]), tell)
                for each in self._passes
            ]
        self.chunk_size = min(self._most, max([CHUNK, *(each.batch_size for each in ready)]))
        self._is_prepared = True

    def _sides(self) -> list[int]:
        """Return the side of each square that is made of an image."""
        whole = (whole_geometry(each.backbone) for each in self._passes)
        return [each.size for each in {*whole, *(one.geometry for one in self._computed)}]

    def _second_look(
        self,
        rows: Sequence[int],
        sets: Sequence[ComputedSet],
        found: dict[BackboneKey, NDArray[np.float32]],
    ) -> Request:
        """Return what to decode of images whose boxes are known."""
        boxes: dict[str, Boxes] = {}
        for each in sets:
            finder = each.feature_set.boxes
            assert finder
            places = found[finder.key]
            everywhere = np.ones(len(places), dtype=bool)
            boxes[each.geometry.boxes] = checked_boxes(places, everywhere, finder.key)
        geometries: list[Geometry] = list(dict.fromkeys(each.geometry for each in sets))
        return Request(numbers=list(rows), geometries=geometries, boxes=boxes)

    def _arranged(self, found: dict[BackboneKey, NDArray[np.float32]]) -> list[Features]:
        """Return the features by backbone, in the order of its views."""
        return [
            Features.from_matrices(
                backbone.label, [found[key] for key in keys], trained=backbone.backbone.trained
            )
            for backbone, keys in zip(self._backbones, self._keys, strict=True)
        ]


def _computed(
    sets: Sequence[ComputedSet], chunk: Chunk, names: Sequence[str]
) -> dict[BackboneKey, NDArray[np.float32]]:
    """Return the features of every image of a chunk, by key of the set."""
    shown = [names[row] for row in chunk.rows]
    found: dict[BackboneKey, NDArray[np.float32]] = {}
    for together in by_call(sets):
        pixels = chunk.pixels[together[0].geometry]
        for one, features in zip(together, call(together, pixels), strict=True):
            require_finite(one, features, shown)
            found[one.feature_set.key] = features
    return found


def _probes(images: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Return 8 to 32 images to prepare a network with; shifted copies, if there are fewer."""
    copies = -(-PROBES // len(images))
    step = images.shape[1] // copies
    probes = np.concatenate([np.roll(images, step * copy, axis=2) for copy in range(copies)])
    probes = probes[:CHUNK]
    probes.flags.writeable = False
    return probes
