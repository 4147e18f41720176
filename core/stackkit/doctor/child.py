"""What runs in the process of a diagnosis: `python -m stackkit.doctor.child package.module:callable`."""

from __future__ import annotations

import json
import os
import sys
from typing import Any

from stackkit.api.errors import one_line
from stackkit.api.specs import load_text


def main() -> None:
    """Write the answer, or why there is none, as JSON; nothing else gets onto stdout."""
    answers = os.dup(1)
    os.dup2(2, 1)  # frameworks print, from Python and below it
    try:
        answer: dict[str, Any] = {"facts": dict(load_text(sys.argv[1])())}
    except BaseException as error:  # SystemExit too: this process ends anyway
        answer = {"error": one_line(error)}
    os.write(answers, json.dumps(answer, default=str).encode())
    os.close(answers)
    os._exit(0)  # an interpreter that shuts a broken library down may hang or crash


if __name__ == "__main__":
    main()
