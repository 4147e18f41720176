"""Say what a model is that was just written, and how good it is."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from stackkit.utils.figures import percent

if TYPE_CHECKING:
    from stackkit.experiment.train import Trained


def model_lines(trained: Trained, path: Path | None) -> Iterator[str]:
    """Yield lines that say what a model in a file is, what to expect of it, and what to do with it."""
    if not path:
        return
    from rich.filesize import decimal

    model, facts = trained.model, trained.model.facts
    networks = ", ".join(each.label for each in model.backbones)
    size = decimal(path.stat().st_size)
    yield f"model       {path} ({size}): {model.stack.aggregator.label} on {networks}"
    if facts["untrained"]:
        yield "untrained   networks have random weights, so answers of this model mean little"
    if facts["cropped"]:
        yield "cropped     training images were cropped to their boxes; crop new images in the same way"
    yield f"accuracy    {expected(facts['accuracy'])}"
    calibration, reliable = facts["calibration"], facts["reliability"]
    loss, error = calibration["log_loss"], calibration["ece"]
    yield (
        f"calibration log-loss {loss['before']:.3f} -> {loss['after']:.3f}, expected calibration error "
        f"{percent(error['before'])} -> {percent(error['after'])}"
    )
    yield f"precision   {_coverage(reliable)}"
    yield f"next        stackkit predict {path} photos/"


def expected(accuracy: dict[str, Any]) -> str:
    """Return the accuracy to expect, with its interval and how it was measured."""
    low, high = accuracy["interval"]
    return (
        f"{percent(accuracy['accuracy'])} [{percent(low)}, {percent(high)}] expected for images like "
        f"these ({accuracy['protocol']})"
    )


def _coverage(reliable: dict[str, Any]) -> str:
    target = percent(reliable["target_precision"])
    if not reliable["coverage"]:
        return f"no probability makes {target} of the answers right"
    return (
        f"{target} of the answers are right from probability {reliable['confidence']:.2f} on, which "
        f"{percent(reliable['coverage'])} of the images reach"
    )
