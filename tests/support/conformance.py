"""What the conformance kit finds of stackkit's own plugins."""

from collections.abc import Sequence
from pathlib import Path

from stackkit.testing.cases import cases, not_tried, wish
from stackkit.testing.subject import Subject


def broken(
    plugin: str, *components: str, but: Sequence[str] = (), images: Sequence[Path] = ()
) -> dict[str, str]:
    """{promise: what is wrong}; of components such as "logistic:C=auto", or of a plugin and all of its.

    `but` are promises that are left out, `images` photographs to try backbones with. A component
    that cannot be made is an error.
    """
    found = cases(plugin, wish(plugin, components, images))
    judged = [
        (case, case.judge())
        for case in found
        if case.promise.name not in but and (isinstance(case.subject, Subject) or not components)
    ]
    assert not_tried(judged) == {}
    return {case.id: verdict.found for case, verdict in judged if verdict.word == "BROKEN"}
