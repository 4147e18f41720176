"""Read from the path of an image which group it belongs to: one individual, nest, patient or video."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace

from stackkit.api import DatasetError, Sample, UsageError


def grouped(samples: Sequence[Sample], pattern: str | None) -> list[Sample]:
    r"""Return the samples with their groups.

    Parameters
    ----------
    samples : sequence of Sample
        Their ids are paths below the root.
    pattern : str or None
        A regular expression, searched in the id. The group is its first capturing group, or the whole
        match if it has none: `nest(\d+)` gives "12" for "heron/nest12_a.jpg". None: no groups.

    Raises
    ------
    UsageError
        If the pattern is not a regular expression.
    DatasetError
        If the pattern matches no image. An image that it does not match is a group of its own.

    """
    if pattern is None:
        return list(samples)
    try:
        regex = re.compile(pattern)
    except (re.error, OverflowError, RecursionError) as error:
        raise UsageError(
            f"group={pattern} is not a regular expression ({error}); write a comma in it as \\,"
        ) from None
    found = [replace(sample, group=_group(regex, sample.id)) for sample in samples]
    if found and not any(sample.group for sample in found):
        raise DatasetError(
            f"group={pattern} matches none of the {len(found)} images, for example {found[0].id}; it is "
            "searched in the path below root="
        )
    return found


def _group(regex: re.Pattern[str], path: str) -> str | None:
    match = regex.search(path)
    if match is None:
        return None
    return match[1 if regex.groups else 0] or None
