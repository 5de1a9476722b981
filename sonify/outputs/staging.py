"""Several files that appear together, when all are whole, or not at all."""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from types import TracebackType
from typing import Self

from sonify.errors import RenderError
from sonify.outputs.audio_file import failure_text

__all__ = ["Staging"]


class Staging:
    """Give each file a place with its own name in a hidden folder beside where it belongs; use as a context manager.

    At the end all move to where they belong, over what is there. After an error or an interrupt nothing is left, and
    what was there before stays.

    Parameters
    ----------
    name : str
        Of the hidden folders: ``.NAME.part``.
    """

    def __init__(self, name: str) -> None:
        self._name = f".{name}.part"
        self._moves: list[tuple[Path, Path]] = []
        self._made: list[Path] = []

    @property
    def finals(self) -> list[Path]:
        """Where the files belong, in the order they were asked for."""
        return [final for _, final in self._moves]

    def path(self, final: Path) -> Path:
        """Where to write what belongs to `final`, whose folder may be missing as long as the one above it is not."""
        staged = final.parent / self._name / final.name
        for folder in (final.parent, staged.parent):
            if not folder.is_dir():
                try:
                    folder.mkdir()
                except OSError as error:
                    raise RenderError(f"{final}: cannot be written: {error.strerror or error}") from None
                self._made.append(folder)
        if (staged, final) not in self._moves:
            self._moves.append((staged, final))
        return staged

    def staged(self, final: Path) -> Path:
        """Where a file is until the end."""
        return final.parent / self._name / final.name

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        whole = False
        try:
            if isinstance(error, RenderError):  # a person knows the file by the place where it belongs
                raise RenderError(str(error).replace(f"{self._name}{os.sep}", "")) from None
            if error is None:
                self._move()
                whole = True
        finally:
            for folder in reversed(self._made):
                if folder.name == self._name:
                    shutil.rmtree(folder, ignore_errors=True)
                elif not whole and not any(folder.iterdir()):
                    folder.rmdir()

    def _move(self) -> None:
        for staged, final in self._moves:
            try:
                staged.replace(final)
            except OSError as error:
                raise RenderError(f"{final}: cannot be written: {failure_text(error, final.parent)}") from None
