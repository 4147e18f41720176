"""Compute blocks of features in this process: threads decode images ahead of the networks."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from stackkit.api.reporter import Reporter
from stackkit.extraction.backbone import CheckedBackbone
from stackkit.extraction.blocks import Block, PendingSet, blocks_of, pending_in, requests
from stackkit.extraction.boxes import Boxes
from stackkit.extraction.decoding import Chunk, Decoder
from stackkit.extraction.preparation import Preparation, prepare_backbones
from stackkit.extraction.row_independence import require_independent_rows
from stackkit.store import DatasetRows, FeatureStore
from stackkit.utils.interrupts import IN_FLIGHT


@dataclass(frozen=True, slots=True)
class ThisProcess:
    """A `Computer` whose networks are in this process."""

    decoder: Decoder
    rows: DatasetRows
    backbones: Sequence[CheckedBackbone]
    store: FeatureStore
    reporter: Reporter
    last_words: str = IN_FLIGHT

    def prepare(self) -> Preparation:
        """Find out what is pending, and prepare the backbones that have something to compute."""
        return prepare_backbones(self.decoder, self.rows, self.backbones, self.store, self.reporter)

    def check_backbones(self, preparation: Preparation) -> None:
        """Refuse backbones whose features of an image depend on other images."""
        # Only third-party backbones have a code digest; stackkit's tests check its own ones.
        for each in {each.shared: each for each in preparation.sets if each.provenance}:
            if each.backbone.code:
                require_independent_rows(each.backbone, preparation.sample_images(each.backbone))

    def blocks(
        self,
        preparation: Preparation,
        sets: Sequence[PendingSet],
        boxes: Mapping[str, Boxes],
        stop_if_asked: Callable[[], None],
    ) -> Iterator[Block]:
        """Yield a block for each call of a network, see `Computer`."""
        for chunk in self._chunks(preparation, sets, boxes):
            for block in blocks_of(chunk, sets, self.rows.samples):
                yield block
                stop_if_asked()  # between two calls of networks only

    def _chunks(
        self, preparation: Preparation, sets: Sequence[PendingSet], boxes: Mapping[str, Boxes]
    ) -> Iterator[Chunk]:
        """Yield every image that is pending for some set; those decoded for the preparation first."""
        decoded = [number for chunk in preparation.decoded for number in chunk.numbers]
        while preparation.decoded:
            yield preparation.decoded.pop(0)  # removed from the list, so that its memory is freed
        todo = np.setdiff1d(pending_in(sets), decoded, assume_unique=True)
        theirs = {name: all_.take(todo.tolist()) for name, all_ in boxes.items()}
        yield from self.decoder.chunks(requests(todo, preparation.chunk_size, sets, theirs))
