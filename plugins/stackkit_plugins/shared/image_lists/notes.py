"""Notes for the report: what was found, how often, with examples."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Sequence

from stackkit.api import Sample
from stackkit_plugins.shared.image_lists.names import is_one_line


def counted(what: str, names: Collection[str]) -> list[str]:
    """Return "what: 2 (for example a, b)" in a list, or an empty list without names."""
    return [f"{what}: {len(names)} ({examples(names)})"] if names else []


def examples(names: Iterable[str]) -> str:
    """Return up to three of the names after "for example"."""
    return f"for example {', '.join(_printable(name) for name in sorted(names)[:3])}"


def _printable(name: str) -> str:
    return name if is_one_line(name) else name.encode("unicode_escape").decode()


def alike_classes(classes: Iterable[str]) -> list[str]:
    """Return a note on classes whose names differ only in upper and lower case."""
    alike: dict[str, list[str]] = defaultdict(list)
    for name in classes:
        alike[name.casefold()].append(name)
    pairs = [" and ".join(sorted(names)) for names in alike.values() if len(names) > 1]
    return counted("classes whose names differ only in upper and lower case", pairs)


def groups(samples: Sequence[Sample]) -> list[str]:
    """Return notes on the groups of the samples; none if no sample has a group."""
    sizes = Counter(sample.group for sample in samples if sample.group is not None)
    if not sizes:
        return []
    largest, size = max(sizes.items(), key=lambda item: (item[1], item[0]))
    alone = [sample.id for sample in samples if sample.group is None]
    return [
        f"groups: {len(sizes)} groups have {sizes.total()} images; the largest, {largest}, has {size}",
        *counted("images without a group, each a group of its own", alone),
    ]
