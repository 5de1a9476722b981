"""Audio files: streamed, dithered, tagged, and only there when whole."""

from __future__ import annotations

import shutil
from pathlib import Path
from types import TracebackType
from typing import Any, Protocol, Self

import numpy as np
import soundfile
from numpy.typing import NDArray

from sonify.errors import RenderError, UsageError
from sonify.outputs.about import About
from sonify.outputs.wave_file import WaveFile, rounded_to_16, whole_numbers

__all__ = ["DEPTHS", "FORMATS", "RATES_HZ", "AudioFile", "check_audio_path", "failure_text"]

DEPTHS = {"16": "PCM_16", "24": "PCM_24", "32f": "FLOAT"}
FORMATS = {".wav": "WAV", ".flac": "FLAC", ".opus": "OGG", ".mp3": "MP3"}
RATES_HZ = {".wav": (44_100, 48_000, 96_000), ".flac": (44_100, 48_000, 96_000), ".opus": (48_000,)}
RATES_HZ[".mp3"] = (44_100, 48_000)

# of the encoders: about 190 kbit/s with Opus; LAME's V2
_LOSSY: dict[str, dict[str, Any]] = {
    "OGG": {"subtype": "OPUS", "compression_level": 0.64},
    "MP3": {"subtype": "MPEG_LAYER_III", "compression_level": 0.2, "bitrate_mode": "VARIABLE"},
}
_ENCODER_PADDING_FRAMES = 4800  # a decoder may give back a little more


def check_audio_path(path: Path, depth: str, rate_hz: int = 48_000) -> None:
    """Refuse a name, depth or rate that cannot be written, before any work is done; raises UsageError."""
    kind = path.suffix.lower()
    if kind not in FORMATS:
        raise UsageError(f"{path}: no such kind of audio file; allowed: a name that ends in {' or '.join(FORMATS)}")
    if kind == ".flac" and depth == "32f":
        raise UsageError(f"{path}: FLAC holds no floating point; allowed: --depth 16 or 24, or a .wav file")
    if rate_hz not in RATES_HZ[kind]:
        allowed = ", ".join(f"{rate / 1000:g}k" for rate in RATES_HZ[kind])
        raise UsageError(f"{path}: {kind} files do not hold --rate {rate_hz / 1000:g}k; allowed: {allowed}")
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
        Ends in ``.wav``, ``.flac``, ``.opus`` or ``.mp3``.
    sample_rate_hz, num_channels : int
        As usual.
    depth : str
        ``16``, ``24`` or ``32f``; of no meaning for Opus and MP3.
    num_frames : int
        Length that will be written; decides whether a WAV needs RF64, and is checked at the end.
    dither : bool
        Triangular dither, for 16 bits.
    about : About or None
        What the file says about itself; `describe` may add what is known only at the end.
    """

    def __init__(
        self,
        path: Path,
        *,
        sample_rate_hz: int,
        num_channels: int,
        depth: str,
        num_frames: int,
        dither: bool = True,
        about: About | None = None,
    ) -> None:
        check_audio_path(path, depth, sample_rate_hz)
        self._path = path
        self._temporary = path.with_name(f".{path.stem}.part{path.suffix}")
        self._num_frames, self._rate_hz = num_frames, sample_rate_hz
        self._about = about
        self._written = 0
        self._kind = FORMATS[path.suffix.lower()]
        self._bytes = num_frames * num_channels * {"16": 2, "24": 3, "32f": 4}[depth]
        try:
            self._file: _Writer = (
                WaveFile(
                    self._temporary,
                    rate_hz=sample_rate_hz,
                    num_channels=num_channels,
                    num_frames=num_frames,
                    depth=depth,
                    dither=dither,
                    about=about,
                )
                if self._kind == "WAV"
                else _Encoded(self._temporary, self._kind, sample_rate_hz, num_channels, depth, dither)
            )
        except (OSError, soundfile.LibsndfileError) as error:
            self._temporary.unlink(missing_ok=True)
            raise RenderError(f"{path}: cannot be written: {failure_text(error, path.parent)}") from None

    def write(self, audio: NDArray[np.float32]) -> None:
        """Append audio, shape (frames, channels)."""
        if not len(audio):
            return
        try:
            self._file.write(audio)
        except (OSError, soundfile.LibsndfileError) as error:
            raise RenderError(f"{self._path}: writing failed: {failure_text(error, self._path.parent)}") from None
        self._written += len(audio)

    def describe(self, about: About) -> None:
        """Say what is known only now, such as the loudness; markers and gain must be those of the beginning."""
        self._about = about

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            if isinstance(self._file, WaveFile) and self._about is not None:
                self._file.describe(self._about)
            self._file.close()
            if error is None:
                self._check_whole()
                self._write_tags()
                self._temporary.replace(self._path)
        except (OSError, ValueError) as failure:
            raise RenderError(f"{self._path}: cannot be written: {failure_text(failure, self._path.parent)}") from None
        finally:
            self._temporary.unlink(missing_ok=True)

    def _check_whole(self) -> None:
        """Look at the finished file: the library reports neither a failed flush nor a failed close."""
        try:
            found = soundfile.info(str(self._temporary)).frames
            size = self._temporary.stat().st_size
        except (OSError, soundfile.LibsndfileError):
            found, size = 0, 0
        if self._kind in _LOSSY:
            whole = self._written == self._num_frames <= found <= self._num_frames + _ENCODER_PADDING_FRAMES
        else:
            whole = found == self._written == self._num_frames
        if not whole or (self._kind == "WAV" and size < self._bytes):
            raise RenderError(
                f"{self._path}: {min(found, self._written)} of {self._num_frames} frames reached the disk: "
                f"{failure_text(None, self._path.parent)}"
            )

    def _write_tags(self) -> None:
        if self._about is None:
            return
        if self._kind == "FLAC":
            from sonify.outputs.flac_tags import write_flac_tags

            write_flac_tags(self._temporary, self._about, self._rate_hz, self._num_frames)
        elif self._kind == "OGG":
            from sonify.outputs.opus_tags import write_opus_tags

            write_opus_tags(self._temporary, self._about)
        elif self._kind == "MP3":
            from sonify.outputs.id3_tags import write_id3_tags

            write_id3_tags(self._temporary, self._about, self._num_frames / self._rate_hz)


class _Writer(Protocol):
    """What the samples go through; raises OSError and LibsndfileError."""

    def write(self, audio: NDArray[np.float32]) -> None:
        """Append audio, shape (frames, channels)."""
        ...

    def close(self) -> None:
        """Finish the file."""
        ...


class _Encoded:
    """A file whose samples libsndfile encodes."""

    def __init__(self, path: Path, kind: str, rate_hz: int, num_channels: int, depth: str, dither: bool) -> None:
        options = _LOSSY.get(kind, {"subtype": DEPTHS[depth]})
        self._depth = "" if kind in _LOSSY else depth
        self._dither, self._written = dither, 0
        self._file = soundfile.SoundFile(path, "w", rate_hz, num_channels, format=kind, **options)

    def write(self, audio: NDArray[np.float32]) -> None:
        data: NDArray[np.float32] | NDArray[np.int16] | NDArray[np.int32] = audio
        if self._depth == "16":
            data = rounded_to_16(audio, self._written, self._dither)
        elif self._depth == "24":
            data = whole_numbers(audio, 24) << 8  # the library takes the upper bits
        self._file.write(data)
        self._written += len(audio)

    def close(self) -> None:
        self._file.close()


def failure_text(error: Exception | None, folder: Path) -> str:
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
