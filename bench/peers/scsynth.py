"""The reference patch in SuperCollider: ``scsynth`` in non-real-time mode, without its language.

What is played, and what was chosen as the fair and fast way (``--all`` measures the alternatives):

- One synth per backend, amplitudes from control-rate buffer readers, ramped over the block by MulAdd. With 480-frame
  blocks the control rate is exactly the patch's 100 Hz. SuperCollider's own default of 64 is a little slower. The dry
  sound is that of the formula in `reference_patch` to −59 dB with either.
- A band is one VOsc: it blends between a table with the fundamental and one with the overtones on top, at the overtone
  gain. That is the patch exactly, with one oscillator for five partials. ``"tables"`` takes two oscillators for that,
  ``"partials"`` plays 714 SinOsc, for those who want to compare oscillators one to one.
- The compressor is Compander run once on a constant, as a gain for both channels: stereo-linked, cheapest. It moves
  its gain once a block and has no knee.
- The reverb is the patch's own network with LocalIn/LocalOut and 8 DelayN (a feedback through LocalIn costs one
  block, taken off each line). FreeVerb2 has another structure (16 combs, 8 all-passes).
- The limiter is SuperCollider's Limiter, one per channel: sample peaks, not linked, no true peak: less work than a
  true-peak limiter.
"""

from __future__ import annotations

import math
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Literal

from bench import harness
from bench.peers import reference_patch as patch
from bench.peers.synthdef import AUDIO, CONTROL, Signal, SynthDef, bundle, message

Oscillator = Literal["blend", "tables", "partials"]

PROGRAM = "scsynth"
BLOCK_FRAMES = 480
OUTPUT_NAME = "scsynth.wav"
EMPTY_LENGTH_S = 0.1

_BUS = 16  # first private stereo bus
_EQ_BUFFER, _OVERTONE_BUFFER = 0, 1
_TABLE_BUFFERS = {5: 10, 4: 14}  # highest overtone -> sine, sine with overtones, overtones alone
_AMPLITUDE_BUFFER = 20
_TABLE_SIZE = 8192
_SINE_FILL_WAVETABLE = 2 + 4  # flags of /b_gen sine1: wavetable format, clear first; not normalised


def available() -> str | None:
    """Version of the installed scsynth, or None."""
    if shutil.which(PROGRAM) is None:
        return None
    shown = subprocess.run([PROGRAM, "-v"], capture_output=True, text=True, check=False).stdout.split()
    return " ".join(shown[:2]) or PROGRAM


def prepare(
    directory: Path,
    *,
    length_s: float = patch.LENGTH_S,
    block_frames: int = BLOCK_FRAMES,
    oscillator: Oscillator = "blend",
) -> list[str]:
    """Write the score and the control buffers; return the command that renders ``scsynth.wav`` beside them."""
    curves = patch.write_curves(directory)
    (directory / "scsynth.osc").write_bytes(_score(curves, length_s, block_frames, oscillator))
    options = ["-z", str(block_frames), "-o", "2", "-i", "0", "-m", "65536", "-w", "1024", "-D", "0"]
    output = str(directory / OUTPUT_NAME)
    files = ["-N", str(directory / "scsynth.osc"), "_", output, str(patch.SAMPLE_RATE_HZ), "WAV", "float"]
    return [PROGRAM, *options, *files]


def _score(curves: dict[str, Path], length_s: float, block_frames: int, oscillator: Oscillator) -> bytes:
    definitions = [_backend(backend, oscillator) for backend in range(patch.NUM_BACKENDS)] + [_master(block_frames)]
    buffers = {"eq_frequency": _EQ_BUFFER, "eq_gain": _EQ_BUFFER + 4, "overtone": _OVERTONE_BUFFER}
    buffers |= {f"amplitude{backend}": _AMPLITUDE_BUFFER + backend for backend in range(patch.NUM_BACKENDS)}
    set_up = [message("/d_recv", definition.encode()) for definition in definitions]
    set_up += [message("/b_allocRead", number, str(curves[name])) for name, number in buffers.items()]
    set_up += [text for highest, number in _TABLE_BUFFERS.items() for text in _fill_tables(highest, number)]
    # the synths are added to the tail of the root group, so they run in this order, the master last
    start = [message("/s_new", text.name, 1000 + node, 1, 0) for node, text in enumerate(definitions)]
    return bundle(0.0, *set_up) + bundle(0.0, *start) + bundle(length_s, message("/c_set", 0, 0.0))


def _fill_tables(highest: int, number: int) -> list[bytes]:
    overtones = [patch.OVERTONE_WEIGHTS[h] for h in range(2, highest + 1)]
    messages = []
    for offset, partials in enumerate(([1.0], [1.0, *overtones], [0.0, *overtones])):
        messages.append(message("/b_alloc", number + offset, 2 * _TABLE_SIZE, 1))
        messages.append(message("/b_gen", number + offset, "sine1", _SINE_FILL_WAVETABLE, *partials))
    return messages


def _curves(definition: SynthDef, buffer: int, num_channels: int) -> list[Signal]:
    """Append readers of a control buffer: frame t × 100 Hz, interpolated."""
    num_frames = patch.num_control_frames()
    position = definition.unit("Line", CONTROL, 0.0, num_frames, patch.LENGTH_S, 0)[0]
    return definition.unit("BufRd", CONTROL, buffer, position, 0, 2, num_outputs=num_channels)


def _backend(backend: int, oscillator: Oscillator) -> SynthDef:
    """One backend: 24 bands with their overtones, and its noise bursts, panned."""
    definition = SynthDef(f"backend{backend}")
    amplitudes = _curves(definition, _AMPLITUDE_BUFFER + backend, patch.NUM_BANDS)
    gain = _curves(definition, _OVERTONE_BUFFER, patch.NUM_BACKENDS)[backend]
    build = {"blend": _blend_bands, "tables": _table_bands, "partials": _partial_bands}[oscillator]
    voice = build(definition, backend, amplitudes, gain)
    trigger = definition.audio("Impulse", 1.0 / patch.BURST_PERIOD_S, (1.0 - patch.BURST_OFFSETS_S[backend]) % 1.0)
    envelope = definition.audio("Decay", trigger, patch.BURST_DECAY_S * math.log(1000.0))  # Decay counts to −60 dB
    noise = definition.audio("WhiteNoise")
    band = definition.audio("BPF", noise, patch.BURST_FREQUENCIES_HZ[backend], 1.0 / patch.BURST_Q)
    burst = definition.operator("*", band, envelope)
    voice = definition.add_scaled(voice, burst, patch.BURST_GAIN)
    left, right = (definition.operator("*", voice, float(gain)) for gain in patch.pan_gains()[backend])
    definition.unit("Out", AUDIO, _BUS, left, right, num_outputs=0)
    return definition


def _start_radians(backend: int, band: int) -> float:
    return 2.0 * math.pi * float(patch.start_phases()[backend, band])


def _blend_bands(definition: SynthDef, backend: int, amplitudes: list[Signal], gain: Signal) -> Signal:
    total: Signal | None = None
    positions = {highest: definition.operator("+", gain, table) for highest, table in _TABLE_BUFFERS.items()}
    for band, frequency_hz in enumerate(patch.BAND_FREQUENCIES_HZ):
        position = positions[patch.overtones_of(band)[-1]]
        tone = definition.audio("VOsc", position, frequency_hz, _start_radians(backend, band))
        total = definition.add_scaled(total, tone, amplitudes[band])
    assert total is not None
    return total


def _table_bands(definition: SynthDef, backend: int, amplitudes: list[Signal], gain: Signal) -> Signal:
    base: Signal | None = None
    overtones: Signal | None = None
    for band, frequency_hz in enumerate(patch.BAND_FREQUENCIES_HZ):
        table = _TABLE_BUFFERS[patch.overtones_of(band)[-1]] + 2
        phase = _start_radians(backend, band)
        base = definition.add_scaled(base, definition.audio("SinOsc", frequency_hz, phase), amplitudes[band])
        tone = definition.audio("Osc", table, frequency_hz, phase)
        overtones = definition.add_scaled(overtones, tone, amplitudes[band])
    assert base is not None
    assert overtones is not None
    return definition.add_scaled(base, overtones, gain)


def _partial_bands(definition: SynthDef, backend: int, amplitudes: list[Signal], gain: Signal) -> Signal:
    base: Signal | None = None
    overtones: Signal | None = None
    for band, frequency_hz in enumerate(patch.BAND_FREQUENCIES_HZ):
        phase = _start_radians(backend, band)
        base = definition.add_scaled(base, definition.audio("SinOsc", frequency_hz, phase), amplitudes[band])
        for h in patch.overtones_of(band):
            level = definition.operator("*", amplitudes[band], patch.OVERTONE_WEIGHTS[h])
            tone = definition.audio("SinOsc", h * frequency_hz, (h * phase) % (2.0 * math.pi))
            overtones = definition.add_scaled(overtones, tone, level)
    assert base is not None
    assert overtones is not None
    return definition.add_scaled(base, overtones, gain)


def _master(block_frames: int) -> SynthDef:
    definition = SynthDef("master")
    channels = definition.unit("In", AUDIO, _BUS, num_outputs=2)
    channels = _eq(definition, channels)
    channels = _compressor(definition, channels)
    channels = _reverb(definition, channels, block_frames)
    ceiling = 10.0 ** (patch.LIMITER.ceiling_db / 20.0)
    channels = [definition.audio("Limiter", channel, ceiling, patch.LIMITER.look_ahead_s) for channel in channels]
    definition.unit("Out", AUDIO, 0, *channels, num_outputs=0)
    return definition


def _eq(definition: SynthDef, channels: list[Signal]) -> list[Signal]:
    frequency_hz = _curves(definition, _EQ_BUFFER, 4)
    gain_db = _curves(definition, _EQ_BUFFER + 4, 4)
    for band, name in enumerate(("BLowShelf", "BPeakEQ", "BPeakEQ", "BHiShelf")):
        # shelves take a reciprocal slope, 1 at Q = √½; bells take 1/Q
        width = 1.0 if "Shelf" in name else 1.0 / patch.EQ_Q[band]
        channels = [definition.audio(name, channel, frequency_hz[band], width, gain_db[band]) for channel in channels]
    return channels


def _compressor(definition: SynthDef, channels: list[Signal]) -> list[Signal]:
    settings = patch.COMPRESSOR
    makeup = 10.0 ** (settings.makeup_db / 20.0)
    threshold = 10.0 ** (settings.threshold_db / 20.0)
    louder = definition.operator("max", *(definition.absolute(channel) for channel in channels))
    constant = definition.audio("DC", makeup)
    times = (settings.attack_s, settings.release_s)
    gain = definition.audio("Compander", constant, louder, threshold, 1.0, 1.0 / settings.ratio, *times)
    return [definition.operator("*", channel, gain) for channel in channels]


def _reverb(definition: SynthDef, channels: list[Signal], block_frames: int) -> list[Signal]:
    settings = patch.REVERB
    num_lines = len(settings.delay_frames)
    returned = definition.unit("LocalIn", AUDIO, *[0.0] * num_lines, num_outputs=num_lines)
    lines = []
    for line, (frames, gain) in enumerate(zip(settings.delay_frames, settings.feedback_gains(), strict=True)):
        entering = definition.operator("+", returned[line], channels[line % 2])
        delay_s = (frames - block_frames) / patch.SAMPLE_RATE_HZ
        delayed = definition.audio("DelayN", entering, delay_s, delay_s)
        damped = definition.audio("OnePole", delayed, settings.damping_pole())
        lines.append(definition.operator("*", damped, gain))
    halves = [definition.audio("Sum4", *lines[start : start + 4]) for start in (0, 4)]
    common = definition.operator("*", definition.operator("+", *halves), -2.0 / num_lines)
    mixed = [definition.operator("+", line, common) for line in lines]  # Householder: identity − 2/N
    definition.unit("LocalOut", AUDIO, *mixed, num_outputs=0)
    wet = [definition.audio("Sum4", *lines[side::2]) for side in (0, 1)]
    return [
        definition.add_scaled(channel, tail, settings.wet_gain) for channel, tail in zip(channels, wet, strict=True)
    ]


def measure(
    *, runs: int = 3, block_frames: int = BLOCK_FRAMES, oscillator: Oscillator = "blend"
) -> tuple[harness.Measurement, harness.RenderCheck]:
    """Measure the whole process; `render_s` is that less a score of 0.1 s with the same definitions and buffers."""
    with tempfile.TemporaryDirectory() as empty_name, tempfile.TemporaryDirectory() as name:
        directory = Path(name)
        empty = prepare(Path(empty_name), length_s=EMPTY_LENGTH_S, block_frames=block_frames, oscillator=oscillator)
        start_s = harness.measure(empty, runs=runs).wall_s
        command = prepare(directory, block_frames=block_frames, oscillator=oscillator)
        measured = harness.measure(command, runs=runs, render_s=lambda run: run.wall_s - start_s)
        return measured, harness.check_render(directory / OUTPUT_NAME)


def main() -> int:
    """Print what the peer took; with ``--all`` every way to play it that was considered."""
    version = available()
    if version is None:
        print("scsynth is not installed")
        return 0
    rows = [harness.peer_report("blend, block 480", *measure())]
    if "--all" in sys.argv:
        rows.append(harness.peer_report("blend, block 64", *measure(block_frames=64)))
        rows.append(harness.peer_report("tables, block 480", *measure(oscillator="tables")))
        rows.append(harness.peer_report("partials, block 480", *measure(oscillator="partials")))
        rows.append(harness.peer_report("partials, block 64", *measure(oscillator="partials", block_frames=64)))
    print(f"{version}; {harness.machine()}")
    print(harness.table(harness.PEER_HEADER, rows))
    return 0 if all(row[-1] == "ok" for row in rows) else 1


if __name__ == "__main__":
    sys.exit(main())
