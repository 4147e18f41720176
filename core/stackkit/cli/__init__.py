"""The command line: each command parses, calls and prints; only this package does so."""

from stackkit.cli.main import main

__all__ = ["main"]
