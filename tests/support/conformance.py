"""Run the conformance kit on stackkit's own plugins."""

from collections.abc import Sequence
from pathlib import Path

from stackkit.testing.cases import cases, not_tested, selection


def broken(
    plugin: str, *components: str, but: Sequence[str] = (), images: Sequence[Path] = ()
) -> dict[str, str]:
    """Return {case id: what is wrong} of a plugin, or of components such as "logistic:C=auto" only.

    `but` are checks that are left out, `images` photographs to test backbones with. A component that
    cannot be made is an error.
    """
    results = [
        (case, case.verdict())
        for case in cases(plugin, selection(plugin, components, images))
        if case.check.name not in but and not (components and case.of_plugin)
    ]
    assert not_tested(results) == {}
    return {case.id: verdict.found for case, verdict in results if verdict.status == "FAILED"}
