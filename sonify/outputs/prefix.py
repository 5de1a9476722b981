"""Another beginning for a file."""

from __future__ import annotations

import shutil
from pathlib import Path

__all__ = ["replace_prefix"]


def replace_prefix(path: Path, old_bytes: int, new: bytes) -> None:
    """Put `new` in the place of the first `old_bytes` of a file, whole or not at all; raises OSError."""
    temporary = path.with_name(f".{path.name}.tagged")
    try:
        with path.open("rb") as source, temporary.open("wb") as target:
            source.seek(old_bytes)
            target.write(new)
            shutil.copyfileobj(source, target, 2**20)
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)
