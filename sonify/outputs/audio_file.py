"""WAV, RF64 and FLAC files: streamed, dithered, and only there when whole."""

from __future__ import annotations

import shutil
from pathlib import Path
from types import TracebackType
from typing import Self

import numpy as np
import soundfile
from numpy.typing import NDArray

from sonify.dsp.dither import dither_to_int16
from sonify.errors import RenderError, UsageError

__all__ = ["DEPTHS", "FORMATS", "AudioFile", "check_audio_path"]

DEPTHS = {"16": "PCM_16", "24": "PCM_24", "32f": "FLOAT"}
FORMATS = {".wav": "WAV", ".flac": "FLAC"}

_BYTES = {"PCM_16": 2, "PCM_24": 3, "FLOAT": 4}
_WAV_LIMIT_BYTES = 2**32 - 2**16  # sizes in a WAV header have 32 bits; past this RF64 (EBU Tech 3306) is needed


def check_audio_path(path: Path, depth: str) -> None:
    """Refuse a name or depth that cannot be written, before any work is done; raises UsageError."""
    if path.suffix.lower() not in FORMATS:
        raise UsageError(f"{path}: no such kind of audio file; allowed: a name that ends in {' or '.join(FORMATS)}")
    if path.suffix.lower() == ".flac" and depth == "32f":
        raise UsageError(f"{path}: FLAC holds no floating point; allowed: --depth 16 or 24, or a .wav file")
    if not path.parent.is_dir():
        raise UsageError(f"{path}: the folder {path.parent} does not exist")
    if path.is_dir():
        raise UsageError(f"{path}: is a folder; write the name of a file")


class AudioFile:
    """Write audio block by block; use it as a context manager.

    It is written under a temporary name beside `path` and renamed when whole; after an error or an interrupt nothing
    is left.

    Parameters
    ----------
    path : Path
        Ends in ``.wav`` or ``.flac``.
    sample_rate_hz, num_channels : int
        As usual.
    depth : str
        ``16`` (with triangular dither), ``24`` or ``32f``.
    num_frames : int
        Length that will be written; decides whether a WAV needs RF64, and is checked at the end.
    """

    def __init__(self, path: Path, *, sample_rate_hz: int, num_channels: int, depth: str, num_frames: int) -> None:
        check_audio_path(path, depth)
        self._path = path
        self._temporary = path.with_name(f".{path.stem}.part{path.suffix}")
        self._subtype = DEPTHS[depth]
        self._num_frames = num_frames
        self._written = 0
        kind = FORMATS[path.suffix.lower()]
        self._bytes = num_frames * num_channels * _BYTES[self._subtype]
        if kind == "WAV" and self._bytes > _WAV_LIMIT_BYTES:
            kind = "RF64"
        self._kind = kind
        try:
            self._file = soundfile.SoundFile(
                self._temporary, "w", sample_rate_hz, num_channels, subtype=self._subtype, format=kind
            )
        except (OSError, soundfile.LibsndfileError) as error:
            self._temporary.unlink(missing_ok=True)
            raise RenderError(f"{path}: cannot be written: {_reason(error, path.parent)}") from None

    def write(self, audio: NDArray[np.float32]) -> None:
        """Append audio, shape (frames, channels)."""
        data: NDArray[np.float32] | NDArray[np.int16] = audio
        if self._subtype == "PCM_16":
            data = np.empty(audio.shape, np.int16)
            dither_to_int16(audio, self._written, data)
        try:
            self._file.write(data)
        except (OSError, soundfile.LibsndfileError) as error:
            raise RenderError(f"{self._path}: writing failed: {_reason(error, self._path.parent)}") from None
        self._written += len(audio)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            self._file.close()
            if error is None:
                self._check_whole()
                self._temporary.replace(self._path)
        except OSError as failure:
            raise RenderError(f"{self._path}: cannot be written: {_reason(failure, self._path.parent)}") from None
        finally:
            self._temporary.unlink(missing_ok=True)

    def _check_whole(self) -> None:
        """Look at the finished file: the library reports neither a failed flush nor a failed close."""
        try:
            found = soundfile.info(str(self._temporary)).frames
            size = self._temporary.stat().st_size
        except (OSError, soundfile.LibsndfileError):
            found, size = 0, 0
        whole = found == self._written == self._num_frames
        if not whole or (self._kind != "FLAC" and size < self._bytes):
            raise RenderError(
                f"{self._path}: {found} of {self._num_frames} frames reached the disk: "
                f"{_reason(None, self._path.parent)}"
            )


def _reason(error: Exception | None, folder: Path) -> str:
    """Say what an error means; the library's own text for a full disk is only "System error"."""
    try:
        free_bytes = shutil.disk_usage(folder).free
    except OSError:
        free_bytes = None
    if free_bytes is not None and free_bytes < 2**20:
        return "no space left on the disk"
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    return str(error).removeprefix("Error : ") if error else "the file is not whole"
