"""Standard MIDI files that line up with the rendered audio in any DAW: type 1, 480 ticks a quarter at 120 a minute."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from sonify.dsp.quantum import CONTROL_RATE_HZ
from sonify.errors import RenderError
from sonify.mapping.mapper import Mapper
from sonify.mapping.score import Score
from sonify.midi.chart import PERCUSSION_CHANNEL, SIGNALS_CHANNEL, backend_channel
from sonify.midi.translator import MidiEvent, Translator

__all__ = ["TICKS_PER_QUARTER", "tick_of_quantum", "write_midi_file"]

TICKS_PER_QUARTER = 480
_TEMPO_US = 500_000  # 120 quarters a minute
_TICKS_PER_S = TICKS_PER_QUARTER * 1_000_000 // _TEMPO_US
_LONGEST_TEXT = 200


def tick_of_quantum(quantum: float) -> int:
    """Tick nearest to a quantum of the engine."""
    return round(quantum * _TICKS_PER_S / CONTROL_RATE_HZ)


def write_midi_file(
    path: Path,
    mapper: Mapper,
    steps: Iterable[tuple[Score, int]],
    *,
    seed: int = 0,
    title: str = "",
    markers: Sequence[tuple[float, str]] = (),
) -> None:
    """Write scored steps as a MIDI file, under a temporary name that is renamed when whole.

    Parameters
    ----------
    path : Path
        ``.mid``.
    mapper : Mapper
        Whose scores they are.
    steps : iterable of (Score, int)
        As they are rendered to audio, each with its length in quanta.
    seed : int
        That of the render.
    title : str
        Name of the first track. Untrusted text, as the markers' and backends' are.
    markers : sequence of (float, str)
        More markers, such as findings: time of the audio in s, and text.

    Raises
    ------
    RenderError
        mido is not installed, or the file cannot be written.
    """
    try:
        import mido
    except ImportError:
        raise RenderError(f"{path}: MIDI files need mido: pip install 'sonify[midi]'") from None
    translator = Translator(mapper, seed=seed)
    events = translator.programs()
    for score, num_quanta in steps:
        events += translator.step(score, num_quanta)
    events += translator.finish()
    end = tick_of_quantum(translator.now)
    file = mido.MidiFile(type=1, ticks_per_beat=TICKS_PER_QUARTER, charset="utf-8")
    file.tracks.append(_conductor_track(mido, title, events, markers, end))
    for name, channels in _tracks(mapper):
        chosen = [event for event in events if event.channel in channels and event.kind != "marker"]
        file.tracks.append(_track(mido, name, [(tick_of_quantum(e.quantum), _message(mido, e)) for e in chosen], end))
    temporary = path.with_name(f".{path.name}.part")
    try:
        file.save(str(temporary))
        temporary.replace(path)
    except OSError as error:
        raise RenderError(f"{path}: cannot be written: {error.strerror or error}") from None
    finally:
        temporary.unlink(missing_ok=True)


def _tracks(mapper: Mapper) -> list[tuple[str, set[int]]]:
    """Name and channels of each track: one a backend, as far as there are channels, then percussion and signals."""
    names: dict[int, list[str]] = {}
    for index, backend in enumerate(mapper.backends):
        names.setdefault(backend_channel(index), []).append(backend)
    backends = [(" + ".join(shared), {channel}) for channel, shared in names.items()]
    return [*backends, ("glitches, batches, pilot", {PERCUSSION_CHANNEL}), ("limits, queue, active", {SIGNALS_CHANNEL})]


def _conductor_track(
    mido: Any, title: str, events: list[MidiEvent], markers: Sequence[tuple[float, str]], end: int
) -> Any:
    """Tempo and markers."""
    timed = [(tick_of_quantum(event.quantum), _text(event.text)) for event in events if event.kind == "marker"]
    timed += [(min(max(round(time_s * _TICKS_PER_S), 0), end), _text(text)) for time_s, text in markers]
    messages = [(0, mido.MetaMessage("set_tempo", tempo=_TEMPO_US)), (0, mido.MetaMessage("time_signature"))]
    messages += [(tick, mido.MetaMessage("marker", text=text)) for tick, text in sorted(timed)]
    return _track(mido, title or "sonify", messages, end)


def _track(mido: Any, name: str, timed: list[tuple[int, Any]], end: int) -> Any:
    track = mido.MidiTrack([mido.MetaMessage("track_name", name=_text(name))])
    now = 0
    for tick, message in timed:
        track.append(message.copy(time=tick - now))
        now = tick
    track.append(mido.MetaMessage("end_of_track", time=max(end - now, 0)))
    return track


def _message(mido: Any, event: MidiEvent) -> Any:
    if event.kind == "control_change":
        return mido.Message("control_change", channel=event.channel, control=event.number, value=event.value)
    if event.kind == "program_change":
        return mido.Message("program_change", channel=event.channel, program=event.number)
    return mido.Message(event.kind, channel=event.channel, note=event.number, velocity=event.value)


def _text(text: str) -> str:
    """Make untrusted text fit a marker: one line, printable, not too long."""
    return "".join(char if char.isprintable() else "?" for char in text)[:_LONGEST_TEXT]
