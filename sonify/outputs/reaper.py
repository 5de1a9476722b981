"""REAPER projects: plain text that refers to the stems.

What REAPER's own EQ and compressor remember is a block of bytes that nobody but REAPER writes: their settings stand in
the project's notes instead. EQ and compressor are in the stems already; the limiter is not, and the notes say so.
"""

from __future__ import annotations

import os
from pathlib import Path

from sonify.errors import RenderError
from sonify.outputs.about import one_line
from sonify.outputs.session import Curve, EqDevice, Session, StemTrack
from sonify.units import gain_from_db

__all__ = ["write_reaper_project"]


def write_reaper_project(path: Path, session: Session, folder: Path) -> None:
    """Write a session; its stems are found from `folder`, where the project will be. Raises RenderError."""
    lines = [
        '<REAPER_PROJECT 0.1 "6.0" 0',
        "  <NOTES 0 2",
        *(f"    |{line}" for line in _notes(session)),
        "  >",
        "  TIMEMODE 0 5 -1 30 0 0 -1",
        "  TEMPO 120 4 4",
        f"  SAMPLERATE {session.rate_hz} 1 0",
        f"  MASTER_VOLUME {gain_from_db(session.gain_db):.6f} 0 -1 -1 1",
        *_markers(session),
    ]
    for stem in session.stems:
        lines += _stem_lines(stem, session.length_s, Path(os.path.relpath(stem.path, folder)).as_posix())
    for curve in session.curves:
        lines += _curve_lines(curve)
    lines.append(">")
    try:
        path.write_text("\n".join(lines) + "\n", encoding="utf-8", newline="\n")
    except OSError as error:
        raise RenderError(f"{path}: cannot be written: {error.strerror or error}") from None


def _notes(session: Session) -> list[str]:
    """Write out what the project cannot say otherwise."""
    compressor = session.compressor
    return [
        f"{one_line(session.title)}; made by sonify {session.version}.",
        "EQ and compressor are in the stems already:",
        *(f"EQ of all backends: {_eq_text(band)}" for band in session.eq),
        *(f"EQ of {one_line(stem.name)}: {_eq_text(band)}" for stem in session.stems for band in stem.eq),
        f"compressor of all backends: threshold {compressor.threshold_db:.1f} dBFS, ratio {compressor.ratio:g}, "
        f"attack {compressor.attack_s * 1000.0:g} ms, release {compressor.release_s * 1000.0:g} ms, "
        f"makeup {compressor.makeup_db:g} dB",
        f"The limiter is not: the rendered mix holds a true peak of {session.ceiling_dbtp:g} dBTP.",
        "Curves are volumes of tracks without sound; where there is no point nothing was measured.",
    ]


def _eq_text(band: EqDevice) -> str:
    return f"{band.shape.replace('_', ' ')} at {band.freq_hz:.0f} Hz, {band.gain_db:+g} dB, q {band.q:g}"


def _markers(session: Session) -> list[str]:
    """Write a marker for a moment, a region for what lasts."""
    lines = []
    for number, marker in enumerate(session.markers, 1):
        text = _quoted(marker.text)
        if marker.length_s > 0.0:
            lines.append(f"  MARKER {number} {marker.time_s:.6f} {text} 1")
            lines.append(f'  MARKER {number} {marker.time_s + marker.length_s:.6f} "" 1')
        else:
            lines.append(f"  MARKER {number} {marker.time_s:.6f} {text} 0")
    return lines


def _stem_lines(stem: StemTrack, length_s: float, file: str) -> list[str]:
    return [
        "  <TRACK",
        f"    NAME {_quoted(stem.name)}",
        "    VOLPAN 1 0 -1 -1 1",
        "    NCHAN 2",
        "    <ITEM",
        "      POSITION 0",
        f"      LENGTH {length_s:.6f}",
        "      LOOP 0",
        "      FADEIN 1 0 0 1 0 0 0",
        "      FADEOUT 1 0 0 1 0 0 0",
        f"      NAME {_quoted(stem.name)}",
        "      <SOURCE WAVE",
        f"        FILE {_quoted(file)}",
        "      >",
        "    >",
        "  >",
    ]


def _curve_lines(curve: Curve) -> list[str]:
    """Write a track whose volume is the metric; shape 1 holds each point until the next."""
    points = zip(curve.time_s.tolist(), curve.value.tolist(), strict=True)
    return [
        "  <TRACK",
        f"    NAME {_quoted(curve.name)}",
        "    <VOLENV2",
        "      ACT 1 -1",
        "      VIS 1 1 1",
        "      LANEHEIGHT 0 0",
        "      ARM 0",
        "      DEFSHAPE 1 -1 -1",
        *(f"      PT {time_s:.6f} {value:.6f} 1" for time_s, value in points),
        "    >",
        "  >",
    ]


def _quoted(text: str) -> str:
    """Quote untrusted text: nothing in it can end the quote or the line."""
    return '"' + one_line(text).replace('"', "'") + '"'
