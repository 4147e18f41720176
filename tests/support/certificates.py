"""A certificate authority of its own, and one certificate for scheduler, workers and clients."""

from __future__ import annotations

import subprocess
from pathlib import Path


def make_certificates(folder: Path, commands: str) -> tuple[Path, Path, Path]:
    """Return ca.pem, cert.pem and key.pem, which `commands` of a page write into a folder."""
    folder.mkdir(exist_ok=True)
    subprocess.run(["bash", "-ec", commands], cwd=folder, check=True, capture_output=True)
    return folder / "ca.pem", folder / "cert.pem", folder / "key.pem"
