"""The gain that an earlier render was written with, so that another can have the same."""

from __future__ import annotations

from pathlib import Path

from sonify.errors import UsageError
from sonify.outputs.flac_tags import read_flac_comments
from sonify.outputs.id3_tags import read_id3_comments
from sonify.outputs.opus_tags import read_opus_comments
from sonify.outputs.wave_chunks import chunks_of, gain_db_of_history

__all__ = ["gain_db_of"]

_KEY = "SONIFY_GAIN_DB"
_LARGEST_DB = 60.0
_HEAD_BYTES = 2**16  # of a WAV: what is in front of the samples is shorter
_COMMENTS = {".flac": read_flac_comments, ".opus": read_opus_comments, ".mp3": read_id3_comments}


def gain_db_of(path: Path) -> float:
    """Gain in dB that `path` was written with; raises UsageError where it does not say."""
    try:
        gain_db = _wave_gain_db(path) if path.suffix.lower() == ".wav" else _comment_gain_db(path)
    except OSError as error:
        raise UsageError(f"{path}: cannot be read: {error.strerror or error}") from None
    except ValueError:
        gain_db = None
    if gain_db is None or not abs(gain_db) <= _LARGEST_DB:
        raise UsageError(f"{path}: does not say its gain; allowed: a .wav, .flac, .opus or .mp3 that sonify rendered")
    return gain_db


def _wave_gain_db(path: Path) -> float | None:
    with path.open("rb") as file:
        head = file.read(_HEAD_BYTES)
    for name, data in chunks_of(head[12:]):
        if name == b"bext":
            return gain_db_of_history(data)
    return None


def _comment_gain_db(path: Path) -> float | None:
    read = _COMMENTS.get(path.suffix.lower())
    text = read(path).get(_KEY) if read else None
    return None if text is None else float(text)
