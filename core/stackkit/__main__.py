"""Let `python -m stackkit` be the same command as `stackkit`."""

from stackkit.cli import main

if __name__ == "__main__":
    raise SystemExit(main())
