"""Run all checks of stackkit with random weights, so nothing is downloaded."""

import pytest
from stackkit.testing import conformance

test_conformance = conformance(
    "stackkit_timm", options={"timm": {"name": "resnet18", "weights": "random"}}
)


@pytest.mark.parametrize("name", ["timm", "torch"])
def test_dependencies_are_installed(name: str) -> None:
    """Report why the checks above were skipped."""
    pytest.importorskip(name, reason=f"{name} is not installed, so the backbone was not checked")
