"""Listing plugins imports no heavy module: that waits until a component is used."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from support.installing import Site, own_entry_points, stand_in_for_stackkit

from stackkit.host.heavy_modules import HEAVY

STATEMENTS = [
    "import stackkit, stackkit.api; dir(stackkit)",
    "import stackkit.host.registry",
    "from stackkit.host.host import load_host; load_host()",
]


def modules_after(statement: str, folder: Path) -> tuple[set[str], object]:
    """Run a statement in a new interpreter; return the top-level modules it imports, and `answer`."""
    stand_in_for_stackkit(Site(folder))
    environment = {
        **os.environ,
        "PYTHONPATH": os.pathsep.join([str(folder), *sys.path]),
        "STACKKIT_PLUGINS": "",
    }
    code = f"""
import json, sys
answer = None
{statement}
print(json.dumps([sorted({{name.partition(".")[0] for name in sys.modules}}), answer]))
"""
    done = subprocess.run(
        [sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True
    )
    loaded, answer = json.loads(done.stdout)
    return set(loaded), answer


@pytest.mark.parametrize("statement", STATEMENTS)
def test_nothing_heavy_is_imported(statement: str, tmp_path: Path) -> None:
    loaded, _ = modules_after(statement, tmp_path)
    assert "stackkit" in loaded
    assert loaded & HEAVY == set()


def test_every_built_in_plugin_is_listed_without_anything_heavy(tmp_path: Path) -> None:
    loaded, names = modules_after(
        "from stackkit.host.host import load_host\n"
        "answer = [p.name for p in load_host().plugins if p.status == 'ok']",
        tmp_path,
    )
    assert names == sorted(own_entry_points())
    assert loaded & HEAVY == set()


def test_a_backbone_reports_why_it_is_unavailable_without_anything_heavy(tmp_path: Path) -> None:
    loaded, asked = modules_after(
        "from stackkit.host.host import load_host\n"
        "from stackkit.host.registry import Registry\n"
        "registry = Registry(host=load_host())\n"
        "backbones = registry.of_kind('backbone')\n"
        "answer = [registry.default(b).unavailable_reason() for b in backbones]",
        tmp_path,
    )
    assert asked
    assert loaded & HEAVY == set()


@pytest.mark.parametrize("module", sorted(own_entry_points().values()))
def test_a_plugins_own_package_holds_specs_only(module: str, tmp_path: Path) -> None:
    loaded, _ = modules_after(f"import {module}", tmp_path)
    assert loaded & HEAVY == set()
