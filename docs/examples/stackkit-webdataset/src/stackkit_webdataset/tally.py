"""Count what did not become samples, so that nothing is skipped silently."""

from __future__ import annotations

from dataclasses import dataclass, field

_SHOWN = 3


@dataclass
class Tally:
    """The count for each reason, and the first few examples."""

    counts: dict[str, int] = field(default_factory=dict)
    examples: dict[str, list[str]] = field(default_factory=dict)

    def add(self, reason: str, name: str) -> None:
        """Count `name`."""
        self.counts[reason] = self.counts.get(reason, 0) + 1
        examples = self.examples.setdefault(reason, [])
        if len(examples) < _SHOWN:
            examples.append(name if name.isprintable() else ascii(name)[1:-1])

    def notes(self) -> list[str]:
        """One line for each reason."""
        return [
            f"skipped, {reason}: {count:,} (for example {', '.join(self.examples[reason])})"
            for reason, count in sorted(self.counts.items())
        ]
