"""Processors, memory, the encoding of texts, and the variables that change what a run does."""

from __future__ import annotations

import locale
import os
import platform
import sys
from collections.abc import Iterator, Mapping
from contextlib import suppress
from pathlib import Path

from stackkit.doctor.findings import Finding

READ = (
    "STACKKIT_HOME",
    "STACKKIT_PLUGINS",
    "STACKKIT_PLUGINS_DIR",
    "STACKKIT_PLUGIN_FILES",
    "STACKKIT_PLUGIN_TIMEOUT",
    "STACKKIT_STRICT",
    "STACKKIT_DEBUG",
    "KERAS_HOME",
    "KERAS_BACKEND",
    "TF_CPP_MIN_LOG_LEVEL",
    "TF_ENABLE_ONEDNN_OPTS",
    "CUDA_VISIBLE_DEVICES",
    "LD_LIBRARY_PATH",
)
"""What stackkit or one of its plugins reads."""

READ_BY_LIBRARIES = (
    "HDF5_USE_FILE_LOCKING",
    "OMP_NUM_THREADS",
    "OPENBLAS_NUM_THREADS",
    "MKL_NUM_THREADS",
    "LANG",
    "LC_ALL",
    "PYTHONUTF8",
    "PYTHONPATH",
)

HIDDEN = ("HTTP_PROXY", "HTTPS_PROXY", "http_proxy", "https_proxy")
"""These decide about downloads, and may hold a password: nobody is told more than that they are set."""


def machine() -> Iterator[Finding]:
    """Processors, memory and encodings."""
    affinity = getattr(os, "sched_getaffinity", None)
    usable, cores = len(affinity(0)) if affinity else os.cpu_count(), os.cpu_count()
    text = f"{usable} of {cores} cores, {_processor()}"
    yield Finding(name="processor", text=text, data={"cores": cores, "usable_cores": usable})
    yield _memory()
    yield _encoding()


def variables(environ: Mapping[str, str]) -> Iterator[Finding]:
    """Every variable that is set and read, with its value unless that may be secret."""
    for name in (*READ, *READ_BY_LIBRARIES):
        if name in environ:
            yield Finding(name=name, text=environ[name] or "(empty)", data={"value": environ[name]})
    for name in HIDDEN:
        if environ.get(name):
            yield Finding(name=name, text="(set; not shown, for it may hold a password)")


def _processor() -> str:
    with suppress(OSError):
        for line in Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace").splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()


def _memory() -> Finding:
    """Memory of the machine, and how much of it this process may have."""
    from rich.filesize import decimal

    figures = {}
    with suppress(OSError, ValueError):
        for line in Path("/proc/meminfo").read_text(encoding="ascii").splitlines():
            name, _, amount = line.partition(":")
            if name in {"MemTotal", "MemAvailable"}:
                figures[name] = int(amount.split()[0]) * 1024
    if "MemTotal" not in figures:
        with suppress(OSError, ValueError, AttributeError):
            figures["MemTotal"] = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    for path in ("/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory/memory.limit_in_bytes"):
        with suppress(OSError, ValueError):  # absent, or the word "max"
            limit = int(Path(path).read_text(encoding="ascii"))
            if limit < figures.get("MemTotal", 2**62):
                figures["limit"] = limit
    words = {"MemTotal": "in all", "MemAvailable": "available", "limit": "allowed here"}
    told = [f"{decimal(figures[name])} {word}" for name, word in words.items() if name in figures]
    return Finding(name="memory", text=", ".join(told) or "unknown", data={"bytes": figures})


def _encoding() -> Finding:
    files, texts = sys.getfilesystemencoding(), locale.getpreferredencoding(False)
    sound = files.lower().replace("-", "") == "utf8"
    return Finding(
        name="encoding",
        text=f"file names {files}, texts {texts}, output {getattr(sys.stdout, 'encoding', None)}",
        state="ok" if sound else "problem",
        remedy="" if sound else "names beyond ASCII cannot be read or shown; set PYTHONUTF8=1",
        data={"files": files, "texts": texts, "locale": locale.setlocale(locale.LC_CTYPE)},
    )
