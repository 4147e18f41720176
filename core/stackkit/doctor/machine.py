"""Processors, memory, encoding, folders, and the environment variables that change what a run does."""

from __future__ import annotations

import locale
import os
import platform
import re
import shutil
import sys
from collections.abc import Iterator, Mapping
from contextlib import suppress
from pathlib import Path

from stackkit.api import paths
from stackkit.api.errors import UsageError
from stackkit.doctor.finding import Finding, State, ok, problem
from stackkit.utils.files import nearest_existing_parent

READ = """
    STACKKIT_HOME STACKKIT_PLUGINS STACKKIT_DISABLED_PLUGINS STACKKIT_PLUGINS_DIR
    STACKKIT_PLUGIN_FILES STACKKIT_PLUGIN_TIMEOUT
    STACKKIT_STRICT STACKKIT_DEBUG KERAS_HOME KERAS_BACKEND TF_CPP_MIN_LOG_LEVEL TF_ENABLE_ONEDNN_OPTS
    CUDA_VISIBLE_DEVICES LD_LIBRARY_PATH
"""
READ_BY_LIBRARIES = """
    HDF5_USE_FILE_LOCKING OMP_NUM_THREADS OPENBLAS_NUM_THREADS MKL_NUM_THREADS BLIS_NUM_THREADS
    LANG LC_ALL PYTHONUTF8 PYTHONPATH HF_HOME HF_HUB_CACHE HUGGINGFACE_HUB_CACHE
    XDG_CACHE_HOME LOKY_MAX_CPU_COUNT LOKY_MAX_MEMORY_LEAK_SIZE DASK_CONFIG
    AWS_PROFILE AWS_DEFAULT_REGION AWS_MAX_ATTEMPTS FSSPEC_S3_ANON FSSPEC_CONFIG_DIR
"""
HIDDEN = """
    HTTP_PROXY HTTPS_PROXY http_proxy https_proxy STACKKIT_TOKEN
    AWS_ACCESS_KEY_ID AWS_SECRET_ACCESS_KEY AWS_SESSION_TOKEN AWS_ENDPOINT_URL AWS_ENDPOINT_URL_S3
    GOOGLE_APPLICATION_CREDENTIALS FSSPEC_S3 FSSPEC_S3_ENDPOINT_URL FSSPEC_GS FSSPEC_GCS
"""
"""Read for downloads, for object storage and by the server. Their values are not shown, because they may
contain a password."""

LITTLE = 10**9
"""Bytes of free disk below which a download or the features of a dataset may not fit."""


def machine() -> Iterator[Finding]:
    """Processors, memory and encodings."""
    from rich.filesize import decimal

    affinity = getattr(os, "sched_getaffinity", None)  # Linux only
    usable, cores = len(affinity(0)) if affinity else os.cpu_count(), os.cpu_count()
    model = re.search(r"model name\s*: (.*)", _read("/proc/cpuinfo"))
    text = f"{usable} of {cores} cores, {model[1] if model else platform.machine()}"
    yield ok("processor", text, cores=cores, usable_cores=usable)
    amounts = re.findall(r"Mem(Total|Available): +(\d+) kB", _read("/proc/meminfo"))
    figures = {name.lower(): int(kib) * 1024 for name, kib in amounts}
    if (limit := _read("/sys/fs/cgroup/memory.max").strip()).isdigit():  # else "max" or no such file
        figures["container limit"] = int(limit)
    text = ", ".join(f"{name} {decimal(size)}" for name, size in figures.items())
    yield ok("memory", text or "unknown", bytes=figures)
    files, texts = sys.getfilesystemencoding(), locale.getpreferredencoding(False)
    text = f"file names {files}, texts {texts}, output {getattr(sys.stdout, 'encoding', None)}"
    if files.lower().replace("-", "") == "utf8":
        yield ok("encoding", text)
    else:
        remedy = "names with non-ASCII characters cannot be read; set PYTHONUTF8=1"
        yield problem("encoding", text, remedy)


def _read(path: str) -> str:
    with suppress(OSError):
        return Path(path).read_text(encoding="utf-8", errors="replace")
    return ""


def variables(environ: Mapping[str, str]) -> Iterator[Finding]:
    """Every variable that is set and read, with its value unless it may be secret."""
    for name in (READ + READ_BY_LIBRARIES).split():
        if name in environ:
            yield ok(name, environ[name] or "(empty)", value=environ[name])
    for name in HIDDEN.split():
        if environ.get(name):
            yield ok(name, "(set; not shown because it may contain a password)")


def folders() -> Iterator[Finding]:
    """The managed folder, the disk that it is on, and the folders in it."""
    from rich.filesize import decimal

    remedy = "set STACKKIT_HOME to a folder that you can write to, on a disk with free space"
    try:
        home = paths.home()
    except UsageError as error:  # there is no home directory
        text = str(error).partition(";")[0]
        yield problem("home", text, remedy, state="blocker")
        return
    if usable := _is_writable(home):
        yield ok("home", f"{home} is writable", folder=str(home))
    else:
        yield problem("home", f"{home} is not a writable folder", remedy, state="blocker")
    usage = shutil.disk_usage(nearest_existing_parent(home))
    text = f"{decimal(usage.free)} of {decimal(usage.total)}"
    if usage.free < LITTLE:
        remedy = "free space with `stackkit features gc` and `stackkit fits gc`, or move STACKKIT_HOME"
        yield problem("free disk", text, remedy, free_bytes=usage.free)
    else:
        yield ok("free disk", text, free_bytes=usage.free)
    for folder in (paths.datasets_dir(), paths.features_dir(), paths.fits_dir(), paths.engines_dir()):
        count, size = _content(folder)
        text = f"{folder}: {count:,} files, {decimal(size)}"
        # If the home is not writable, it has been reported; the folders in it would only repeat it.
        if _is_writable(folder) or not usable:
            yield ok(folder.name, text, folder=str(folder), files=count, bytes=size)
        else:
            remedy = f"make {folder} writable for your user, or move it away"
            state: State = "blocker" if folder.name == "features" else "problem"
            yield problem(folder.name, f"{text}, is not writable", remedy, state=state)


def _is_writable(folder: Path) -> bool:
    """Whether files can be written to a folder that exists or is to be made."""
    there = nearest_existing_parent(folder)
    return there.is_dir() and os.access(there, os.W_OK)  # False on a read-only mount, also for root


def _content(folder: Path) -> tuple[int, int]:
    """Number of files and bytes; what is not readable is left out."""
    sizes = []
    for parent, _, names in os.walk(folder):
        for name in names:
            with suppress(OSError):  # another process may remove files at the same time
                sizes.append((Path(parent) / name).lstat().st_size)
    return len(sizes), sum(sizes)
