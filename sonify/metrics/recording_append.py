"""Recordings that grow: a frame is with the system when `RecordingAppender.write` returns, so that kill -9 loses none.

Compressed files are gzip members of `MEMBER_FRAMES` frames, each frame flushed so that it can be read at once. Measured
on a simulated incident at one frame a second this takes 1.6 times the space of a single stream, where a member a frame
takes 5.9 times. A killed writer leaves a member without its end: readers get every frame of it, and whoever continues
the file writes the member anew.
"""

from __future__ import annotations

import json
import os
import zlib
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import BinaryIO, Self

from sonify.errors import ReaderError, RenderError
from sonify.metrics.frame import Layout, MetricFrame
from sonify.metrics.recording_format import RecordingReader, frame_line, header_line, open_lines

__all__ = ["MEMBER_FRAMES", "RecordingAppender"]

MEMBER_FRAMES = 60
_GZIP = 31  # zlib's window bits for the gzip format
_CHUNK_BYTES = 65536


class RecordingAppender:
    """Write frames one by one to a file that stays readable; use `create` or `resume`, as a context manager.

    Attributes
    ----------
    path : Path
        The file.
    layout : Layout
        Of its frames.
    first_t, last_t : float or None
        Times of its first and last frame, Unix s.
    num_frames : int
        In the file.
    """

    def __init__(self, path: Path, layout: Layout, *, is_gzip: bool) -> None:
        self.path = path
        self.layout = layout
        self.first_t: float | None = None
        self.last_t: float | None = None
        self.num_frames = 0
        self._file: BinaryIO = path.open("ab", buffering=0)
        self._is_gzip = is_gzip
        self._packer: zlib._Compress | None = None
        self._packed_frames = 0
        try:
            _lock(self._file, path)
        except BaseException:
            self._file.close()
            raise

    @classmethod
    def create(cls, path: Path, layout: Layout, *, source: str = "") -> Self:
        """Begin a file that is not there, or is empty; gzip where its name ends in ``.gz``."""
        appender = cls(path, layout, is_gzip=path.suffix == ".gz")
        try:
            appender._append(header_line(layout, source=source))
        except BaseException:
            appender._file.close()
            raise
        return appender

    @classmethod
    def resume(cls, path: Path) -> Self:
        """Continue a file; what a killed writer left of its last line is cut off.

        Raises
        ------
        ReaderError
            Not a recording, or damaged before its end.
        """
        reader = RecordingReader(path)
        layout = reader.layout
        reader.close()
        with path.open("rb") as file:
            is_gzip = file.read(2) == b"\x1f\x8b"
        appender = cls(path, layout, is_gzip=is_gzip)
        try:
            if is_gzip:
                appender._mend_gzip()
            else:
                _mend_text(path)
            appender._look_through()
        except BaseException:
            appender.close()
            raise
        return appender

    def _mend_gzip(self) -> None:
        whole_bytes = _whole_members_bytes(self.path)
        if whole_bytes == self.num_bytes:
            return
        self._file.close()  # Windows replaces no open file
        _write_last_member_anew(self.path, whole_bytes)
        self._file = self.path.open("ab", buffering=0)
        _lock(self._file, self.path)

    def _look_through(self) -> None:
        first = last = b""
        try:
            with open_lines(self.path) as lines:
                for index, line in enumerate(lines):
                    if index > 0 and not line.isspace():
                        first, last = first or line, line
                        self.num_frames += 1
            if last:
                self.first_t, self.last_t = float(json.loads(first)["t"]), float(json.loads(last)["t"])
        except (OSError, EOFError, zlib.error, ValueError, KeyError, TypeError) as error:
            raise ReaderError(f"{self.path}: cannot be continued: {str(error)[:120]}") from None

    @property
    def num_bytes(self) -> int:
        """Size of the file so far."""
        return self.path.stat().st_size

    def write(self, frame: MetricFrame) -> None:
        """Append one frame, which must have the file's layout and be later than the last; OSError where it fails."""
        self._append(frame_line(frame))
        self.first_t = frame.t if self.first_t is None else self.first_t
        self.last_t = frame.t
        self.num_frames += 1

    def _append(self, line: bytes) -> None:
        if not self._is_gzip:
            self._put(line)
            return
        if self._packer is None:
            self._packer = zlib.compressobj(wbits=_GZIP)
        self._put(self._packer.compress(line) + self._packer.flush(zlib.Z_SYNC_FLUSH))
        self._packed_frames += 1
        if self._packed_frames >= MEMBER_FRAMES:
            self._end_member()

    def _end_member(self) -> None:
        if self._packer is not None:
            packer, self._packer, self._packed_frames = self._packer, None, 0
            self._put(packer.flush())

    def _put(self, data: bytes) -> None:
        left = memoryview(data)
        while left:
            left = left[self._file.write(left) :]

    def close(self) -> None:
        """Finish the file."""
        try:
            if not self._file.closed:
                self._end_member()
        finally:
            self._file.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def _lock(file: BinaryIO, path: Path) -> None:
    """Keep a second process from writing into the same file; where the system knows no such lock nothing happens."""
    try:
        import fcntl
    except ImportError:
        return
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        raise RenderError(f"{path}: another process is recording into this file") from None
    except OSError:
        return  # network file systems may have no locks


def _mend_text(path: Path) -> None:
    """End the last line where it is whole, and cut it off where it is not."""
    with path.open("r+b") as file:
        end = begin = file.seek(0, os.SEEK_END)
        tail = b""
        while begin > 0 and b"\n" not in tail:
            begin = max(begin - _CHUNK_BYTES, 0)
            file.seek(begin)
            tail = file.read(end - begin)
        last = tail[tail.rfind(b"\n") + 1 :]
        if not last:
            return
        try:
            json.loads(last)
        except ValueError:
            file.truncate(end - len(last))
        else:
            file.seek(0, os.SEEK_END)
            file.write(b"\n")


def _chunks(file: BinaryIO) -> Iterator[bytes]:
    while chunk := file.read(_CHUNK_BYTES):
        yield chunk


def _whole_members_bytes(path: Path) -> int:
    """Count the bytes up to the end of the last gzip member that is whole."""
    whole = seen = 0
    unpacker = zlib.decompressobj(_GZIP)
    with path.open("rb") as file:
        for chunk in _chunks(file):
            data = chunk
            while data:
                try:
                    unpacker.decompress(data)
                except zlib.error as error:
                    raise ReaderError(f"{path}: damaged gzip data after {whole} bytes: {error}") from None
                rest = unpacker.unused_data
                seen += len(data) - len(rest)
                if unpacker.eof:
                    whole, unpacker = seen, zlib.decompressobj(_GZIP)
                data = rest
    return whole


def _write_last_member_anew(path: Path, whole_bytes: int) -> None:
    """Replace what follows the whole members by one that is whole and holds the same lines."""
    part = path.with_name(f".{path.name}.part")
    try:
        with path.open("rb") as old, part.open("wb") as new:
            left = whole_bytes
            while left > 0 and (chunk := old.read(min(left, _CHUNK_BYTES))):
                new.write(chunk)
                left -= len(chunk)
            unpacker, packer, line = zlib.decompressobj(_GZIP), zlib.compressobj(wbits=_GZIP), b""
            for chunk in _chunks(old):
                begun, newline, rest = (line + unpacker.decompress(chunk)).rpartition(b"\n")
                new.write(packer.compress(begun + newline))
                line = rest
            new.write(packer.flush())
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)
