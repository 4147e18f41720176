"""Load the plugins for a command and show what the user should know about them first."""

from __future__ import annotations

from typing import TYPE_CHECKING

from stackkit.utils.console import say

if TYPE_CHECKING:
    from stackkit.host.host import Host


def the_host() -> Host:
    """Load every allowed plugin, and warn on stderr.

    The warnings are about plugins that the user named and that do not work, and about plugins that
    replaced functions of numerical libraries, whether or not the command uses them.

    An unknown name is a warning because a variable often outlives an environment, and a command that
    needs the missing plugin fails by itself. STACKKIT_STRICT=1 makes it an error.
    """
    from stackkit.host.host import load_host

    host = load_host()
    for note in (*host.notes, *host.effects_on_figures):
        say(f"warning: {note}", err=True)
    return host
