"""The MIDI file beside the WAV: read back, and played by a real synthesizer whose onsets fall on those of the sound."""

from __future__ import annotations

import subprocess
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import soundfile
from servers import require_program

from sonify.dsp.quantum import QUANTUM_FRAMES, SAMPLE_RATE_HZ
from sonify.engine import Engine
from sonify.errors import RenderError
from sonify.mapping.mapper import Mapper, learn_baseline
from sonify.mapping.preset_file import load_sound_preset
from sonify.mapping.score import Score
from sonify.mapping.scorer import Scorer
from sonify.mapping.timeline import lay_out_for
from sonify.metrics.recording_format import load_recording
from sonify.midi.file import TICKS_PER_QUARTER, write_midi_file
from sonify.runner.offline import render_offline

mido = pytest.importorskip("mido")

SAMPLES = Path(__file__).parents[2] / "samples"
SOUND_FONTS = ("/usr/share/sounds/sf2/TimGM6mb.sf2", "/usr/share/sounds/sf2/FluidR3_GM.sf2")


class Collect:
    def __init__(self) -> None:
        self.parts: list[np.ndarray] = []

    def write(self, audio: np.ndarray) -> None:
        self.parts.append(audio.copy())


def incident(preset_name: str, **freshness: float) -> tuple[Mapper, list[tuple[Score, int]]]:
    preset = load_sound_preset(preset_name)
    preset = replace(preset, freshness=replace(preset.freshness, **freshness))
    recording = load_recording(SAMPLES / "incident.jsonl.gz").on_bands(preset.bands.latency_bands)
    layout = recording.layout
    mapper = Mapper(preset, layout.backends, learn_baseline(recording), num_batch_bands=layout.num_batch_bands)
    return mapper, list(Scorer(mapper).all(lay_out_for(preset, recording, 60.0).steps()))


def test_tracks_tempo_markers_and_length(tmp_path: Path) -> None:
    mapper, steps = incident("code-live")
    path = tmp_path / "incident.mid"
    write_midi_file(path, mapper, iter(steps), title="incident ü", markers=[(4.0, "julia: slow\n\x1b[31m")])
    file = mido.MidiFile(str(path), charset="utf-8")
    assert (file.type, file.ticks_per_beat) == (1, TICKS_PER_QUARTER)
    names = [track.name for track in file.tracks]
    assert names[0] == "incident ü"
    assert names[1:7] == list(mapper.backends)
    assert {message.tempo for message in file.tracks[0] if message.type == "set_tempo"} == {500_000}
    markers = [message.text for message in file.tracks[0] if message.type == "marker"]
    assert "julia: slow??[31m" in markers
    assert "latency_p95 worse" in markers
    assert file.length == pytest.approx(sum(length for _, length in steps) / 100.0, abs=1e-3)
    assert not list(tmp_path.glob(".*"))


def test_a_folder_that_is_not_there(tmp_path: Path) -> None:
    mapper, steps = incident("code-live")
    with pytest.raises(RenderError, match="cannot be written"):
        write_midi_file(tmp_path / "nowhere" / "a.mid", mapper, iter(steps[:2]))


def onsets_s(audio: np.ndarray, sample_rate_hz: int) -> np.ndarray:
    """Where the power rises by 6 dB within 10 ms and lies 20 ms later still over −60 dB of the loudest."""
    hop = sample_rate_hz // 200
    power = np.square(audio[: len(audio) // hop * hop].mean(axis=1)).reshape(-1, hop).mean(axis=1)
    level_db = 10.0 * np.log10(power + 1e-12)
    rise = level_db[2:] - level_db[:-2]
    candidates = np.flatnonzero((rise > 6.0) & (level_db[2:] > level_db.max() - 40.0)) + 2
    starts = candidates[np.diff(candidates, prepend=-100) > 12]
    return starts * hop / sample_rate_hz


def test_a_synthesizer_plays_it_in_step_with_the_sound(tmp_path: Path) -> None:
    """Six plucks a bar of silence between: both files have the same onsets within 20 ms."""
    program = require_program("fluidsynth")
    font = next((font for font in SOUND_FONTS if Path(font).exists()), None)
    if font is None:
        pytest.skip("no General MIDI sound font is installed")
    mapper, _ = incident("studio", pilot_level=-90.0)  # no ticks
    num_backends = len(mapper.backends)
    silent = np.zeros(num_backends)
    gain = np.zeros((num_backends, len(mapper.frequencies_hz)))
    gain[:2, 12] = 0.3  # two backends pluck in their steps, the others are silent
    drums = np.zeros(mapper.num_batch_bands)
    score = Score(gain, silent, silent, np.ones(num_backends), silent, silent, drum_gain=drums)
    steps = [(score, 900)]
    midi, wav = tmp_path / "a.mid", tmp_path / "midi.wav"
    write_midi_file(midi, mapper, iter(steps))
    command = [program, "-ni", "-q", "-r", str(SAMPLE_RATE_HZ), "-R", "0", "-C", "0", "-T", "wav", "-F", str(wav)]
    done = subprocess.run([*command, font, str(midi)], capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    played, rate_hz = soundfile.read(wav, always_2d=True)
    assert rate_hz == SAMPLE_RATE_HZ
    collect = Collect()
    render_offline(Engine(mapper), iter(steps), num_quanta=900, sinks=(collect,), threads=1)
    sound = np.concatenate(collect.parts)
    assert len(sound) == 900 * QUANTUM_FRAMES
    ours, theirs = onsets_s(sound, SAMPLE_RATE_HZ), onsets_s(played[: len(sound)], SAMPLE_RATE_HZ)
    assert len(ours) >= 6
    assert len(theirs) == len(ours)
    assert np.max(np.abs(ours - theirs)) < 0.02
