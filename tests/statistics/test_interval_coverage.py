"""95 % intervals contain the true value in about 95 % of simulations; a long form is in benchmarks/."""

import importlib.util
import sys
from functools import partial
from pathlib import Path
from types import ModuleType

import pytest

SCRIPT = Path(__file__).parents[2] / "benchmarks" / "coverage.py"


@pytest.fixture(scope="module")
def simulation() -> ModuleType:
    spec = importlib.util.spec_from_file_location("benchmark_of_coverage", SCRIPT)
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # for its dataclasses
    spec.loader.exec_module(module)
    module.SAMPLES, module.TRAININGS = 200, 500
    return module


@pytest.mark.parametrize(
    ("data", "arguments", "draws", "too_narrow"),
    [
        ("accuracy", (100, 0.8), 150, None),
        ("difference", (600, 0.003, 0.001), 150, "(percentiles)"),
        ("grouped_accuracy", (20, 8, 0.95, 0.3), 150, "(percentiles)"),
        ("grouped_difference", (10, 8, 0.1), 150, "(percentiles)"),
        ("chosen", (100, 20, 0.8, 0.0), 100, "(accuracy, Wilson)"),
        ("repeated_folds", (60, 10, 5), 100, "(Student's t)"),
        ("learning_curve", (1115, 0.05, 0.8), 60, None),
    ],
)
def test_intervals_contain_the_truth_and_simpler_ones_would_not(
    simulation, data, arguments, draws, too_narrow
):
    # Three standard errors below what is promised: 89.7 % for 150 draws.
    least = 0.95 - 3 * (0.95 * 0.05 / draws) ** 0.5
    setting = simulation.Setting(data, "", partial(getattr(simulation, data), *arguments))
    found = {each.interval: each.covered for each in simulation.coverages(setting, draws)}
    assert {name: share for name, share in found.items() if name[0] != "(" and share < least} == {}
    if too_narrow:
        assert found[too_narrow] < least
