"""What stackkit relies on, with random weights: nothing is downloaded."""

import pytest
from stackkit.testing import conformance

test_conformance = conformance(
    "stackkit_timm", options={"timm": {"name": "resnet18", "weights": "random"}}
)


@pytest.mark.parametrize("name", ["timm", "torch"])
def test_the_networks_are_here(name: str) -> None:
    """So that what was skipped above has its reason in the report."""
    pytest.importorskip(name, reason=f"{name} is absent: the backbone itself is not tried")
