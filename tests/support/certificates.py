"""A certificate authority of its own, and one certificate for scheduler, workers and clients."""

from __future__ import annotations

import subprocess
from pathlib import Path

COMMANDS = """
openssl req -x509 -newkey rsa:2048 -nodes -days 2 -subj "/CN=CA" -keyout ca-key.pem -out ca.pem
openssl req -newkey rsa:2048 -nodes -subj "/CN=cluster" -keyout key.pem -out request.pem
openssl x509 -req -days 2 -in request.pem -CA ca.pem -CAkey ca-key.pem -CAcreateserial -out cert.pem
"""


def make_certificates(folder: Path, commands: str = COMMANDS) -> tuple[Path, Path, Path]:
    """Return files of a CA, a certificate that it signed, and the certificate's private key."""
    folder.mkdir(exist_ok=True)
    subprocess.run(["bash", "-ec", commands], cwd=folder, check=True, capture_output=True)
    return folder / "ca.pem", folder / "cert.pem", folder / "key.pem"
