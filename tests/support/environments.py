"""Virtual environments into which pip really installs distributions."""

import os
import subprocess
import sysconfig
import venv
from dataclasses import dataclass
from pathlib import Path

OF_THIS_PROCESS = ("PIP_NO_BUILD", "PYTHON", "STACKKIT_", "VIRTUAL_ENV")
ALONE = {"PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"}
"""Variables for a pytest in another process, most of whose time imports of other plugins take."""
OFFLINE = "pip install --no-index --no-build-isolation --no-deps"
"""Install folders without downloads; hatchling, which builds them, is in the extra test."""


def create_environment(folder: Path) -> None:
    """Make a virtual environment that also finds the packages of the running one.

    Only stackkit and plugins have to be installed into it, not 2 GB of TensorFlow. Its pip is that of
    the running environment too, because installing one takes seconds.
    """
    venv.create(folder, with_pip=False)
    pip = folder / "bin" / "pip"
    pip.write_text(f'#!/bin/sh\nexec "{folder}/bin/python" -m pip "$@"\n', encoding="utf-8")
    pip.chmod(0o755)
    seen = {sysconfig.get_path(name) for name in ("purelib", "platlib")}
    (packages,) = folder.glob("lib/python*/site-packages")
    (packages / "packages-of-the-tests.pth").write_text("\n".join(sorted(seen)), encoding="utf-8")


@dataclass(frozen=True)
class Shell:
    """A project folder and an activated environment to run commands in."""

    folder: Path
    environment: Path
    home: Path

    def run(self, script: str) -> subprocess.CompletedProcess[str]:
        variables = {
            name: value for name, value in os.environ.items() if not name.startswith(OF_THIS_PROCESS)
        }
        path = os.pathsep.join([str(self.environment / "bin"), os.environ["PATH"]])
        variables |= {**ALONE, "PATH": path, "STACKKIT_HOME": str(self.home), "COLUMNS": "200"}
        done = subprocess.run(
            ["bash", "-euo", "pipefail", "-c", script],
            cwd=self.folder,
            env=variables,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, f"{script}\n{done.stdout}\n{done.stderr}"
        return done
