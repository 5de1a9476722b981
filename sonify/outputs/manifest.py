"""A list of files with their SHA-256, as ``sha256sum --check`` reads it."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterable
from pathlib import Path

from sonify.errors import RenderError

__all__ = ["write_manifest"]


def write_manifest(path: Path, files: Iterable[tuple[Path, Path]], folder: Path) -> None:
    """Write `path`, a line for each file.

    Parameters
    ----------
    path : Path
        Of the list.
    files : iterable of (Path, Path)
        Where each file is now, and where it will be.
    folder : Path
        From which the list will be checked: names are relative to it.
    """
    try:
        lines = []
        for now, final in files:
            with now.open("rb") as file:
                digest = hashlib.file_digest(file, "sha256").hexdigest()
            lines.append(f"{digest}  {Path(os.path.relpath(final, folder)).as_posix()}\n")
        path.write_text("".join(lines), encoding="utf-8")
    except OSError as error:
        raise RenderError(f"{path}: cannot be written: {error.strerror or error}") from None
