"""Run in a process of its own: read mutated bundles where nothing else may happen.

`python -m support.bundle_fuzz BUNDLE FOLDER COUNT SEED`. Ends with an error if a bundle is accepted
although it was changed, costs more memory or time than allowed, or makes Python import, compile,
execute, unpickle, start or connect anything, or write a file.
"""

from __future__ import annotations

import json
import os
import random
import resource
import sys
import time
from pathlib import Path

from support.bundles import forge, read_everything, write

from stackkit.api.errors import BundleError

MEMORY = 200 * 2**20
SECONDS = 5
FORBIDDEN = ("import", "exec", "compile", "pickle.", "os.system", "os.exec", "subprocess.", "socket.")


def mutated(data: bytes, rng: random.Random) -> bytes:
    """Flip bits, cut, insert, swap, repeat or overwrite."""
    changed = bytearray(data)
    for _ in range(rng.choice((1, 1, 2, 8))):
        start, other = sorted(rng.randrange(len(changed) + 1) for _ in range(2))
        end = min(other, start + rng.choice((1, 4, 64, 4096)))
        match rng.randrange(7):
            case 0:
                place = rng.randrange(len(changed))
                changed[place] ^= 1 << rng.randrange(8)
            case 1:
                del changed[start:end]
            case 2:
                changed[start:start] = rng.randbytes(end - start)
            case 3:
                changed[start:end] = rng.randbytes(end - start)
            case 4:
                changed[start:start] = changed[start:end]
            case 5:
                changed[start:end] = rng.choice((b"\0", b"\xff")) * (end - start)
            case 6:
                # Headers are at the end and small: most of what matters is there.
                place = len(changed) - 1 - rng.randrange(min(len(changed), 900))
                changed[place] = rng.randrange(256)
        if not changed:
            break
    return bytes(changed)


def mutants(bundle: Path, folder: Path, count: int, rng: random.Random) -> list[tuple[Path, bool]]:
    """Write mutated bundles; True for those whose hashes and headers were made right again."""
    data, found = bundle.read_bytes(), []
    for index in range(count):
        path = folder / str(index)
        if index % 2:
            changed = data
            while changed == data:
                changed = mutated(data, rng)
            path.write_bytes(changed)
            found.append((path, False))
            continue
        member = rng.choice(("states__aggregator_dot_json", "states__aggregator_dot_safetensors"))
        if index % 6 == 0:
            forge(path, bundle, document=lambda document: mutated(json.dumps(document).encode(), rng))
        else:
            forge(path, bundle, **{member: lambda content: mutated(content, rng)})
        found.append((path, True))
    return found


def bombs(bundle: Path, folder: Path) -> list[tuple[Path, bool]]:
    """Write bundles that would cost much more memory or time than they have bytes."""
    empty_lists = b'{"values":{"a":[[]' + b",[]" * 400_000 + b']},"arrays":[],"parts":{}}'
    empty_objects = b'{"values":{"a":{"":{"a":' * 10_000
    text = "states__aggregator_dot_json"
    members = {f"states__{index}_dot_json": b"{}" for index in range(1000)}
    sparse = folder / "sparse"
    sparse.touch()
    os.truncate(sparse, 2**31)
    return [
        (forge(folder / "lists", bundle, **{text: empty_lists}), True),
        (forge(folder / "objects", bundle, **{text: empty_objects}), True),
        (forge(folder / "members", bundle, **members), True),
        (forge(folder / "brackets", bundle, document=lambda _: b"[" * 1_000_000), True),
        (sparse, False),
    ]


def refusal_of(path: Path) -> str:
    """Return why a bundle is refused, "" if it is not."""
    try:
        read_everything(path)
    except BundleError as error:
        return str(error)
    return ""


def main() -> None:
    bundle, folder, count, seed = (
        Path(sys.argv[1]),
        Path(sys.argv[2]),
        int(sys.argv[3]),
        int(sys.argv[4]),
    )
    write(bundle)
    read_everything(bundle)  # imports what it needs
    refused = 0
    cases = mutants(bundle, folder, count, random.Random(seed)) + bombs(bundle, folder)
    limit = int(Path("/proc/self/statm").read_text().split()[0]) * os.sysconf("SC_PAGE_SIZE") + MEMORY
    resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
    watched: list[str] = []

    def watch(event: str, arguments: tuple[object, ...]) -> None:
        is_write = event == "open" and isinstance(arguments[2], int) and arguments[2] & 3
        if watched and (event.startswith(FORBIDDEN) or is_write):
            watched.append(f"{event} {arguments!r:.200}")

    sys.addaudithook(watch)
    for path, may_open in cases:
        watched[:] = [str(path)]
        start = time.monotonic()
        text = refusal_of(path)
        assert text or may_open, f"{path} was changed and accepted"
        assert "\n" not in text
        refused += bool(text)
        assert time.monotonic() - start < SECONDS, f"{path} took too long"
        assert watched == [str(path)], watched
    watched.clear()
    sys.stdout.write(f"{refused} refused\n")


if __name__ == "__main__":
    main()
