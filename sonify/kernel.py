"""How a Python function becomes a compiled kernel: one place for the compiler's settings and its cache.

Kernels hold the GIL unless called from a function made with ``entry(nogil=True)``: beside a busy Python thread every
release costs a whole switch interval to take back. Contraction (fused multiply-add) is the only liberty taken with
floating point, so NaN and infinity keep their meaning.

The compiler's own cache does not notice when a kernel in *another* file changes. So the cache directory is named after
the state of all kernel sources: an edited kernel always means a new, empty directory.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar, cast

__all__ = ["cache_directory", "entry", "kernel", "kernels_are_compiled", "mark_kernels_compiled"]

Function = TypeVar("Function", bound=Callable[..., Any])

_PACKAGE = Path(__file__).resolve().parent
_KEPT_CACHES = 4  # as many checkouts or versions can be used in turn without compiling again


def _cache_root() -> Path:
    base = os.environ.get("SONIFY_CACHE_DIR") or os.environ.get("XDG_CACHE_HOME") or os.environ.get("LOCALAPPDATA")
    if base:
        return Path(base) / "sonify" / "kernels"
    return Path(os.path.expanduser("~/.cache")) / "sonify" / "kernels"


def _source_digest() -> str:
    digest = hashlib.blake2b(digest_size=8)
    for folder in ("dsp", "mix", "simulation", "synth"):
        for path in sorted((_PACKAGE / folder).rglob("*.py")):
            status = path.stat()
            digest.update(f"{path} {status.st_size} {status.st_mtime_ns}\n".encode())
    return digest.hexdigest()


def _open_cache() -> Path | None:
    """Return the directory for compiled kernels, or None where no place is writable: then every run compiles."""
    directory = _cache_root() / _source_digest()
    try:
        directory.mkdir(parents=True, exist_ok=True)
    except OSError:
        return None
    return directory if os.access(directory, os.W_OK) else None


cache_directory = _open_cache()
if cache_directory is not None:
    os.environ["NUMBA_CACHE_DIR"] = str(cache_directory)

import numba  # noqa: E402  (its cache directory is read at import)


@contextmanager
def _without(*modules: str) -> Iterator[None]:
    """Make modules that are not loaded yet look as if they were not installed."""
    hidden = [name for name in modules if name not in sys.modules]
    sys.modules.update(cast("Any", dict.fromkeys(hidden)))  # None: an import fails at once
    try:
        yield
    finally:
        for name in hidden:
            del sys.modules[name]


def _prepare_compiler() -> None:
    """Load what the compiler needs before its first call.

    It would also look for BLAS (through scipy.linalg) and for cffi functions to call: 0.25 s of imports, a fifth of
    what rendering a day takes, for what no kernel uses.
    """
    from numba.core.registry import cpu_target

    with _without("scipy.linalg", "cffi"):
        cpu_target.typing_context.refresh()
        cpu_target.target_context.refresh()


_prepare_compiler()

_OPTIONS: dict[str, Any] = {"fastmath": {"contract"}, "error_model": "numpy"}
_NO_ALLOCATION: dict[str, Any] = {"_nrt": False}


def kernel(function: Function) -> Function:
    """Compile a function that other kernels call; it is linked into its callers.

    It may not make arrays, for nobody counts the references to them (which costs 4 µs of 29 in a quantum of voices,
    most of it where rows are taken out of arrays in loops); scratch comes with the state.
    """
    return cast("Function", numba.njit(**_OPTIONS, **_NO_ALLOCATION)(function))


def entry(*, nogil: bool) -> Callable[[Function], Function]:
    """Compile a function that Python calls; cached on disk. `nogil` lets other Python threads run meanwhile."""

    def decorate(function: Function) -> Function:
        return cast("Function", numba.njit(nogil=nogil, cache=cache_directory is not None, **_OPTIONS)(function))

    return decorate


def kernels_are_compiled(group: str) -> bool:
    """Whether an earlier run left all kernels of a group (``"engine"``, ``"simulation"``) in the cache."""
    return cache_directory is not None and (cache_directory / f"{group}.complete").exists()


def mark_kernels_compiled(group: str) -> None:
    """Note that a group's kernels are in the cache, and drop the caches of the oldest other states of the sources."""
    if cache_directory is None:
        return
    (cache_directory / f"{group}.complete").touch()
    others = sorted(cache_directory.parent.iterdir(), key=lambda path: path.stat().st_mtime, reverse=True)
    for stale in [path for path in others if path != cache_directory][_KEPT_CACHES - 1 :]:
        shutil.rmtree(stale, ignore_errors=True)
