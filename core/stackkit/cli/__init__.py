"""The command line: each command parses options, calls the library and prints the result."""

from stackkit.cli.main import main

__all__ = ["main"]
