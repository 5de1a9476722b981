"""Captions: what is heard when, as text, subtitles or JSON."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

__all__ = ["FORMATS", "Caption", "CaptionPrinter", "clock", "text_lines"]


@dataclass(frozen=True, slots=True)
class Caption:
    """What is heard in one stretch of sound.

    Attributes
    ----------
    begin_s, end_s : float
        From the begin of the sound.
    scene : str
        Name of the scene.
    text : str
        What the scene shows.
    detail : str
        Where in the scene this is; may be empty.
    earcons : tuple of str
        Earcons that begin with it, such as ``errors, rising``.
    """

    begin_s: float
    end_s: float
    scene: str
    text: str
    detail: str = ""
    earcons: tuple[str, ...] = ()

    @property
    def stage(self) -> str:
        """Detail and earcons as one phrase; may be empty."""
        return "; ".join(part for part in (self.detail, *(f"earcon: {name}" for name in self.earcons)) if part)


def clock(time_s: float, separator: str = ".") -> str:
    """``0:07.5``; with a comma as separator the way subtitles write it: ``00:00:07,500``."""
    if separator == ",":
        milliseconds = round(time_s * 1000.0)
        seconds, rest = divmod(milliseconds, 1000)
        return f"{seconds // 3600:02}:{seconds // 60 % 60:02}:{seconds % 60:02},{rest:03}"
    tenths = int(time_s * 10.0 + 1e-6)
    return f"{tenths // 600}:{tenths // 10 % 60:02}.{tenths % 10}"


def text_lines(caption: Caption, before: Caption | None) -> list[str]:
    """Lines for a terminal or a screen reader: a scene's text once, then what happens in it."""
    lines = []
    if before is None or before.scene != caption.scene:
        lines.append(f"{clock(caption.begin_s):>7}  {caption.text}")
    if caption.stage:
        lines.append(f"{clock(caption.begin_s):>7}    {caption.stage}")
    return lines


def _as_text(captions: Sequence[Caption]) -> str:
    before = (None, *captions[:-1])
    return "\n".join(line for i, caption in enumerate(captions) for line in text_lines(caption, before[i])) + "\n"


def _as_srt(captions: Sequence[Caption]) -> str:
    """SubRip subtitles."""
    blocks = (
        "\n".join(
            part
            for part in (
                str(number),
                f"{clock(caption.begin_s, ',')} --> {clock(caption.end_s, ',')}",
                caption.text,
                caption.stage,
            )
            if part
        )
        for number, caption in enumerate(captions, 1)
    )
    return "\n\n".join(blocks) + "\n"


def _as_json(captions: Sequence[Caption]) -> str:
    rows = [
        {
            "begin_s": round(caption.begin_s, 3),
            "end_s": round(caption.end_s, 3),
            "scene": caption.scene,
            "text": caption.text,
            "detail": caption.detail,
            "earcons": list(caption.earcons),
        }
        for caption in captions
    ]
    return json.dumps(rows, indent=1, ensure_ascii=False) + "\n"


FORMATS: dict[str, Callable[[Sequence[Caption]], str]] = {"text": _as_text, "srt": _as_srt, "json": _as_json}


class CaptionPrinter:
    """A sink that hears nothing but the time: it says each caption as its sound begins.

    Parameters
    ----------
    captions : sequence of Caption
        In order.
    say : callable
        Takes a line.
    sample_rate_hz : int
        Of the audio that passes.
    """

    def __init__(self, captions: Sequence[Caption], say: Callable[[str], None], sample_rate_hz: int) -> None:
        self._captions = captions
        self._say = say
        self._rate_hz = sample_rate_hz
        self._said = 0
        self._passed = 0

    def write(self, audio: NDArray[np.float32]) -> None:
        """Let audio pass, shape (frames, channels)."""
        self._passed += len(audio)
        while self._said < len(self._captions):
            caption = self._captions[self._said]
            if round(caption.begin_s * self._rate_hz) >= self._passed:
                break
            for line in text_lines(caption, self._captions[self._said - 1] if self._said else None):
                self._say(line)
            self._said += 1
