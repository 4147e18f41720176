"""Match the classes of new images with those of a model, by name."""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence

from stackkit.api.errors import UsageError


def joined_classes(known: Sequence[str], names: Sequence[str]) -> tuple[str, ...]:
    """Return the classes of a model in their order, and then those of `names` that it does not have.

    Raises
    ------
    UsageError
        If a new name differs from a known one only in case, spaces, "_", "-" or its Unicode form: one
        of both is probably a misspelling, which would divide a class.

    """
    new = [name for name in dict.fromkeys(names) if name not in set(known)]
    spelled = {_letters(name): name for name in known}
    for name in new:
        if (like := spelled.get(_letters(name))) is not None:
            raise UsageError(
                f"the model has no class {name!r}, but {like!r}; rename the class of the new images if "
                "it is the same, or choose a name that differs more"
            )
    return (*known, *new)


def _letters(name: str) -> str:
    text = unicodedata.normalize("NFKC", name).casefold()
    return "".join(each for each in text if each not in " _-")
