"""The page as one file: style, script, data and sound in it, nothing fetched, and nothing from the metrics is markup.

Names reach the page only as JSON inside a script element that no browser runs, and the script sets them as text. The
page's own policy (CSP) names the one style and the one script by hash and forbids every connection.
"""

from __future__ import annotations

import base64
import hashlib
import math
import re
from collections.abc import Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sonify.errors import RenderError
from sonify.mapping.mapper import partial_frequencies_hz
from sonify.report.audio_reading import blocks_at, length_s, num_channels
from sonify.report.budget import BUDGET_BYTES, Plan, embedded_bytes, plans
from sonify.report.compression import MEDIA_TYPE, MIX_RATE_HZ, SMALL_RATE_HZ, Compressed, compress, density
from sonify.report.content import ReportContent
from sonify.report.document import document, label, pack_panels, scenes
from sonify.report.packing import base64_text, harmless_json
from sonify.report.picture import draw_sound
from sonify.units import format_duration

__all__ = ["write_report"]

Float32 = NDArray[np.float32]

_SCRIPTS = ("data.js", "words.js", "colours.js", "player.js", "axes.js", "tracks.js", "sides.js", "texts.js", "page.js")
_USUAL_BYTES = 500_000  # of a page without its sound: a guess, to begin to compress before the page is drawn


@dataclass(frozen=True, slots=True)
class _Sounds:
    """The compressed sounds of a page: its mix, and by name what comes beside it."""

    mix: Compressed
    stems: dict[str, Compressed]
    examples: Compressed | None
    other: Compressed | None

    def all(self) -> dict[str, Compressed]:
        """All of them by the id of the element that holds them."""
        found = {"sound-mix": self.mix}
        found |= {f"sound-stem-{number}": one for number, one in enumerate(self.stems.values())}
        found |= {f"sound-{name}": one for name, one in (("examples", self.examples), ("other", self.other)) if one}
        return found


def write_report(path: Path, content: ReportContent, *, budget_bytes: int = BUDGET_BYTES) -> None:
    """Write the page, whole or not at all.

    Parameters
    ----------
    path : Path
        Where; replaced when the page is whole.
    content : ReportContent
        What it says and plays.
    budget_bytes : int
        The page is never larger. To fit it, the bitrate is lowered first, then examples and stems are left out, and
        the page says so.

    Raises
    ------
    RenderError
        The audio cannot be read, the page cannot be written, or its sound does not fit the budget at any bitrate.
    """
    text = _page(path, content, budget_bytes)
    temporary = path.with_name(f".{path.stem}.part{path.suffix}")
    try:
        temporary.write_text(text, encoding="ascii")
        temporary.replace(path)
    except OSError as error:
        raise RenderError(f"{path}: cannot be written: {error.strerror or error}") from None
    finally:
        temporary.unlink(missing_ok=True)


def _page(path: Path, content: ReportContent, budget_bytes: int) -> str:
    """Draw and compress at once, in two threads; where an estimate was wrong the next plan is tried."""
    frequencies_hz = np.sort(partial_frequencies_hz(content.preset)[:-1])
    with ThreadPoolExecutor(2, thread_name_prefix="report") as workers:
        drawing = workers.submit(draw_sound, content.audio, frequencies_hz)
        made = _Made(content, workers)
        guess = next(made.plans(budget_bytes - _USUAL_BYTES), None)
        if guess is not None:
            made.begin(guess)
        picture = drawing.result()
        pack = pack_panels(content, picture)
        facts, data = document(content, picture, pack), pack.text()
        room_bytes = budget_bytes - len(_assembled(facts, data, {}))
        for plan in made.plans(room_bytes):
            sounds = made.sounds(plan)
            if sum(embedded_bytes(len(one.data)) for one in sounds.all().values()) > room_bytes:
                continue
            text = _assembled(facts | _sound_facts(content, plan, sounds), data, sounds.all())
            if len(text) <= budget_bytes:
                return text
    raise RenderError(
        f"{path}: {format_duration(length_s(content.audio))} of sound do not fit into a page of "
        f"{budget_bytes / 1e6:g} MB, not even at the lowest bitrate and without stems; "
        "allowed: a shorter --length, or a higher --speed"
    )


class _Made:
    """Compresses what a plan holds, in other threads; what an earlier plan had made already is used again."""

    def __init__(self, content: ReportContent, workers: ThreadPoolExecutor) -> None:
        self._content = content
        self._workers = workers
        self._made: dict[tuple[str, float], Future[Compressed]] = {}
        self._mixes = [content.audio]
        if content.comparison is not None and content.comparison.audio is not None:
            self._mixes.append(content.comparison.audio)
        self._density = max(density(mix) for mix in self._mixes)

    def plans(self, room_bytes: int) -> Iterator[Plan]:
        """Plans that may fit."""
        content = self._content
        mix_s = sum(length_s(mix) for mix in self._mixes)
        stems_s = sum(length_s(stem) for stem in content.stems.values())
        examples_s = content.examples.captions[-1].end_s if content.examples else 0.0
        return plans(mix_s, stems_s, examples_s, room_bytes, density=self._density)

    def _once(self, name: str, level: float, blocks: Iterable[Float32], rate_hz: int, channels: int) -> None:
        if (name, level) not in self._made:
            self._made[name, level] = self._workers.submit(compress, blocks, rate_hz, channels, level)

    def begin(self, plan: Plan) -> None:
        """Begin to compress what a plan holds."""
        content = self._content
        self._mix("mix", content.audio, plan)
        if content.comparison is not None and content.comparison.audio is not None:
            self._mix("other", content.comparison.audio, plan)
        if plan.has_examples and content.examples is not None:
            blocks = _small_blocks(content.examples.audio, content.examples.sample_rate_hz)
            self._once("examples", plan.small_level, blocks, SMALL_RATE_HZ, 1)
        if plan.has_stems:
            for name, file in content.stems.items():
                blocks = blocks_at(file, SMALL_RATE_HZ, mono=True)
                self._once(f"stem {name}", plan.small_level, blocks, SMALL_RATE_HZ, 1)

    def _mix(self, name: str, audio: Path, plan: Plan) -> None:
        self._once(name, plan.mix_level, blocks_at(audio, MIX_RATE_HZ, mono=False), MIX_RATE_HZ, num_channels(audio))

    def sounds(self, plan: Plan) -> _Sounds:
        """All sounds of a plan, made."""
        self.begin(plan)

        def done(name: str, level: float) -> Compressed | None:
            found = self._made.get((name, level))
            return None if found is None else found.result()

        stems = {name: done(f"stem {name}", plan.small_level) for name in self._content.stems} if plan.has_stems else {}
        mix = self._made["mix", plan.mix_level].result()
        return _Sounds(
            mix=mix,
            stems={name: stem for name, stem in stems.items() if stem is not None},
            examples=done("examples", plan.small_level) if plan.has_examples else None,
            other=done("other", plan.mix_level),
        )


def _small_blocks(audio: Float32, rate_hz: int) -> Iterable[Float32]:
    from scipy.signal import resample_poly

    common = math.gcd(rate_hz, SMALL_RATE_HZ)
    mono = audio.mean(axis=1)
    yield resample_poly(mono, SMALL_RATE_HZ // common, rate_hz // common).astype(np.float32)[:, None]


def _sound_facts(content: ReportContent, plan: Plan, sounds: _Sounds) -> dict[str, Any]:
    left_out = [
        words
        for words, has, held in (
            ("stems", bool(content.stems), plan.has_stems),
            ("examples of the legend", content.examples is not None, plan.has_examples),
        )
        if has and not held
    ]
    return {
        "audio": {
            "file": label(content.audio.name),
            "kbps": round(len(sounds.mix.data) * 8e-3 / max(sounds.mix.length_s, 0.1)),
            "codec": "Vorbis",
        },
        "stems": [label(name) for name in sounds.stems],
        "scenes": scenes(content.examples.captions) if content.examples is not None and sounds.examples else [],
        "left_out": left_out,
        "has_other_sound": sounds.other is not None,
    }


def _asset(name: str) -> str:
    return resources.files("sonify.report").joinpath("assets", name).read_text(encoding="utf-8")


def _hash(text: str) -> str:
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"


def _script() -> str:
    """All scripts as one, in a scope of their own; what is not ASCII is written as an escape that JavaScript knows."""
    parts = "\n".join(_asset(name) for name in _SCRIPTS)
    escaped = "".join(char if char.isascii() else f"\\u{{{ord(char):x}}}" for char in parts)
    return f'"use strict";(()=>{{\n{escaped}\n}})();'


def _assembled(facts: dict[str, Any], data: str, sounds: dict[str, Compressed]) -> str:
    style, script = _asset("page.css"), _script()
    policy = (
        f"default-src 'none'; script-src {_hash(script)}; style-src {_hash(style)}; img-src data:; "
        "media-src blob: data:; base-uri 'none'; form-action 'none'"
    )
    held = "".join(
        f'<script type="text/plain" id="{name}" data-type="{MEDIA_TYPE}">{base64_text(one.data)}</script>\n'
        for name, one in sounds.items()
    )
    parts = {
        "policy": policy,
        "style": style,
        "facts": harmless_json(facts),
        "data": data,
        "script": script,
        "sounds": held,
    }
    pieces = re.split(r"\{\{(\w+)\}\}", _asset("page.html"))  # split first: no name that holds a mark is taken for one
    return "".join(parts[piece] if odd % 2 else piece for odd, piece in enumerate(pieces))
