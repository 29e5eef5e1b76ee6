"""On what the figures were measured."""

import importlib.metadata
import os
import platform
from collections.abc import Iterable
from importlib import import_module
from pathlib import Path

THREAD_SETTINGS = ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS")
KERNEL_SETTINGS = ("OPENBLAS_CORETYPE", "OPENBLAS_L2_SIZE")


def require_one_plain_thread() -> None:
    """Refuse to time with more than one thread, or with a BLAS kernel that was chosen by hand.

    Raises:
        SystemExit: naming the variable; they are read when numpy is loaded, so it is too late to set them here.
    """
    for name in THREAD_SETTINGS:
        if os.environ.get(name) != "1":
            raise SystemExit(f"{name} must be 1 before Python starts; see the README")
    for name in KERNEL_SETTINGS:
        if name in os.environ:
            raise SystemExit(f"{name} must not be set: env -u {name}; see the README")


def describe(distributions: Iterable[str]) -> str:
    """Processor, Python, BLAS kernel and the versions of ``distributions``, as Markdown."""
    versions = ", ".join(f"{name} {version_of(name)}" for name in distributions)
    python = f"{platform.python_implementation()} {platform.python_version()}"
    return f"{_processor()}, {os.cpu_count()} cores, one thread; {python}; BLAS: {_kernel()}.\n{versions}."


def version_of(distribution: str) -> str:
    """The installed version, or that there is none."""
    try:
        return importlib.metadata.version(distribution)
    except importlib.metadata.PackageNotFoundError:
        return "(absent)"


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return platform.processor() or platform.machine()
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.machine()


def _kernel() -> str:
    try:
        pools = import_module("threadpoolctl").threadpool_info()
    except ImportError:
        return "unknown, threadpoolctl is not installed"
    found = {
        f"{pool['internal_api']} {pool['version']} {pool.get('architecture', '')} × {pool['num_threads']} thread"
        for pool in pools
        if pool["user_api"] == "blas"
    }
    return "; ".join(sorted(found)) or "none that threadpoolctl knows"
