"""Say in every report that plugins changed what numerical libraries compute."""

from __future__ import annotations

from collections.abc import Sequence

from stackkit.host.configured_component import ConfiguredComponent
from stackkit.host.host import Host
from stackkit.host.load_failure import listed
from stackkit.host.replaced import LibraryWatch


class FigureWatch:
    """Watch one run: what plugins replaced when they were loaded, and what components replace later.

    Parameters
    ----------
    host : Host
        All plugins, also those that the run does not use.
    components : sequence of ConfiguredComponent
        The run's components, none of which has been created yet.

    """

    def __init__(self, host: Host, components: Sequence[ConfiguredComponent]) -> None:
        self._host = host
        # Stackkit's own components replace nothing, and looking at all modules takes a while.
        is_needed = any(not each.component.is_own for each in components)
        self._libraries = LibraryWatch() if is_needed else None

    def during_run(self) -> list[str]:
        """Return what components have replaced since the run began, such as "numpy.mean (by acme)"."""
        return self._libraries.replaced() if self._libraries else []

    def notes(self) -> tuple[str, ...]:
        """Return the sentences that a report needs."""
        notes = self._host.effects_on_figures
        if names := self.during_run():
            notes += (
                f"Components replaced {listed(names)} during this run, so that every figure may differ, "
                "and so may features that the run stored.",
            )
        return notes
