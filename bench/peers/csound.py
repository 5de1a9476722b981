"""The reference patch in Csound.

What is played, and what was chosen as the fair and fast way (``--all`` measures the alternatives):

- One instrument instance per backend, the bands as oscillator banks (``adsynt2``), which ramp every amplitude over the
  control period. With ksmps = 480 that is exactly the patch's ramp; a vcopy a period brings the 24 new amplitudes.
- Overtones 2–5 of a band come from one wavetable, so a band costs two oscillators. ``oscillator="partials"`` plays 714
  single sines in the same banks instead.
- Bursts are notes, so they cost nothing between two bursts.
- The compressor and the limiter are ``compress2`` run once on a constant, as a gain for both channels: stereo-linked.
  The limiter looks ahead, the audio being delayed alike; ``limit`` cuts what is left over the ceiling. No true peak.
- The reverb is ``reverbsc``, Csound's own 8-line feedback delay network in one opcode (its lines are modulated on top).
  ``reverb="network"`` writes out the patch's network with 8 ``delay`` lines (the feedback costs one control period,
  taken off each line); it takes as long or a little longer.
- One thread: two (``-j 2``) are slower: all instances add to the same two channels.

Csound computes in double precision.
"""

from __future__ import annotations

import math
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Literal

from bench import harness
from bench.peers import reference_patch as patch

Oscillator = Literal["tables", "partials"]
Reverb = Literal["network", "reverbsc"]

PROGRAM = "csound"
KSMPS = patch.QUANTUM_FRAMES
OUTPUT_NAME = "csound.wav"

_TABLE_SIZE = 65536  # adsynt2 does not interpolate: 65536 points keep its error under −90 dB
_BURST_LENGTH_S = 0.56  # exp(−t / 80 ms) has fallen to −60 dB
_ELAPSED = re.compile(r"Elapsed time at end of (score sort|performance): real: *([0-9.]+)s")


def available() -> str | None:
    """Version of the installed csound, or None."""
    if shutil.which(PROGRAM) is None:
        return None
    shown = subprocess.run([PROGRAM, "--version"], capture_output=True, text=True, check=False)
    found = re.search(r"Csound version ([0-9.]+)", shown.stdout + shown.stderr)
    return f"Csound {found.group(1)}" if found else "Csound"


def prepare(
    directory: Path,
    *,
    length_s: float = patch.LENGTH_S,
    ksmps: int = KSMPS,
    oscillator: Oscillator = "tables",
    reverb: Reverb = "reverbsc",
    threads: int = 1,
) -> list[str]:
    """Write the orchestra, the score and the control tables; return the command that renders ``csound.wav``."""
    curves = patch.write_curves(directory)
    orchestra = [_header(ksmps), _tables(curves), _backend(oscillator), _burst(), _master(ksmps, reverb)]
    (directory / "csound.orc").write_text("\n\n".join(orchestra) + "\n", encoding="utf-8")
    (directory / "csound.sco").write_text(_score(length_s), encoding="utf-8")
    options = ["-d", "-m", "128", "-f", "-W", "-j", str(threads), "-o", str(directory / OUTPUT_NAME)]
    return [PROGRAM, *options, str(directory / "csound.orc"), str(directory / "csound.sco")]


def render_s(run: harness.ProcessRun) -> float:
    """Return the time of the performance alone, as Csound tells it: from the sorted score to the end."""
    told = {what: float(time_s) for what, time_s in _ELAPSED.findall(run.output)}
    return told.get("performance", math.nan) - told.get("score sort", math.nan)


def _header(ksmps: int) -> str:
    return "\n".join(
        [
            f"sr = {patch.SAMPLE_RATE_HZ}",
            f"ksmps = {ksmps}",
            "nchnls = 2",
            "0dbfs = 1",
            f"gi_cycles = {patch.QUANTUM_FRAMES // ksmps} ; control periods in a control frame",
            "ga_left init 0",
            "ga_right init 0",
        ]
    )


def _tables(curves: dict[str, Path]) -> str:
    """Global tables; those of the backends are numbered from a base, for the instrument to pick its own."""
    lines = [f"gi_sine ftgen 1, 0, {_TABLE_SIZE}, 10, 1"]
    for highest, number in ((5, 2), (4, 3)):
        weights = ", ".join(f"{patch.OVERTONE_WEIGHTS[h]:.9f}" for h in range(2, highest + 1))
        lines.append(f"gi_overtones{highest} ftgen {number}, 0, {_TABLE_SIZE}, -10, 0, {weights}")
    frequencies_hz = ", ".join(f"{frequency_hz:.9f}" for frequency_hz in patch.BAND_FREQUENCIES_HZ)
    lines.append(f"gi_frequencies ftgen 4, 0, -{patch.NUM_BANDS}, -2, {frequencies_hz}")
    full = _num_full_bands()
    top_hz = ", ".join(f"{frequency_hz:.9f}" for frequency_hz in patch.BAND_FREQUENCIES_HZ[full:])
    lines.append(f"gi_top ftgen 5, 0, -{patch.NUM_BANDS - full}, -2, {top_hz}")
    for number, name in ((6, "eq_frequency"), (7, "eq_gain"), (8, "overtone")):
        lines.append(f'gi_{name} ftgen {number}, 0, 0, -1, "{curves[name]}", 0, 0, 0')
    for backend in range(patch.NUM_BACKENDS):
        path = curves[f"amplitude{backend}"]
        lines.append(f'gi_amplitude{backend} ftgen {10 + backend}, 0, 0, -1, "{path}", 0, 0, 0')
        lines.append(f"gi_now{backend} ftgen {20 + backend}, 0, -{patch.NUM_BANDS}, -2, 0")
        lines.append(f"gi_top{backend} ftgen {30 + backend}, 0, -{patch.NUM_BANDS - full}, -2, 0")
    return "\n".join(lines)


def _num_full_bands() -> int:
    """How many bands, from the lowest, have all four overtones; the others have only 2–4."""
    return sum(patch.overtones_of(band)[-1] == 5 for band in range(patch.NUM_BANDS))


def _backend(oscillator: Oscillator) -> str:
    bands, full = patch.NUM_BANDS, _num_full_bands()
    num_top = bands - full
    # start phases are random (2); kcps multiplies the frequencies in the table
    if oscillator == "tables":
        overtones = [
            f"a_over adsynt2 k_gain, 1, gi_overtones5, gi_frequencies, i_now, {full}, 2",
            f"a_top adsynt2 k_gain, 1, gi_overtones4, gi_top, i_top, {num_top}, 2",
            "a_voice = a_base + a_over + a_top",
        ]
    else:
        counts = {h: full if h == 5 else bands for h in patch.OVERTONE_WEIGHTS}
        overtones = [
            f"a_over{h} adsynt2 k_gain * {weight:.9f}, {h}, gi_sine, gi_frequencies, i_now, {counts[h]}, 2"
            for h, weight in patch.OVERTONE_WEIGHTS.items()
        ]
        overtones.append("a_voice = a_base + " + " + ".join(f"a_over{h}" for h in patch.OVERTONE_WEIGHTS))
    return "\n".join(
        [
            "instr 1 ; one backend: p4 its number, p5 p6 its pan",
            "i_now = 20 + p4",
            "i_top = 30 + p4",
            "k_cycle init -1",
            "k_cycle += 1",
            "k_frame = int(k_cycle / gi_cycles)",
            f"vcopy i_now, 10 + p4, {bands}, 0, k_frame * {bands}",
            f"vcopy i_top, 10 + p4, {num_top}, 0, k_frame * {bands} + {full}",
            f"k_gain table k_frame * {patch.NUM_BACKENDS} + p4, gi_overtone",
            f"a_base adsynt2 1, 1, gi_sine, gi_frequencies, i_now, {bands}, 2",
            *overtones,
            "ga_left += a_voice * p5",
            "ga_right += a_voice * p6",
            "endin",
        ]
    )


def _burst() -> str:
    end = math.exp(-_BURST_LENGTH_S / patch.BURST_DECAY_S)
    return "\n".join(
        [
            "instr 2 ; one burst: p4 its frequency, p5 p6 its pan",
            f"a_envelope expon {patch.BURST_GAIN}, p3, {patch.BURST_GAIN * end:.9f}",
            "a_noise noise 1, 0",
            f"a_band butterbp a_noise, p4, p4 / {patch.BURST_Q}",
            "a_burst = a_band * a_envelope",
            "ga_left += a_burst * p5",
            "ga_right += a_burst * p6",
            "endin",
        ]
    )


def _master(ksmps: int, reverb: Reverb) -> str:
    lines = ["instr 3", "k_cycle init -1", "k_cycle += 1", "k_frame = int(k_cycle / gi_cycles)"]
    lines += ["a_left = ga_left", "a_right = ga_right", *_eq(), *_compressor()]
    lines += _network(ksmps) if reverb == "network" else _reverbsc()
    lines += [*_limiter(), "outs a_left, a_right", "ga_left = 0", "ga_right = 0", "endin"]
    return "\n".join(lines)


def _eq() -> list[str]:
    lines = []
    for band, mode in enumerate((10, 8, 8, 12)):  # low shelf, bell, bell, high shelf
        lines.append(f"k_frequency{band} table k_frame * 4 + {band}, gi_eq_frequency")
        lines.append(f"k_level{band} table k_frame * 4 + {band}, gi_eq_gain")
        # a bell is told its Q, a shelf its slope, which is 1 at Q = √½
        settings = f"k_frequency{band}, ampdb(k_level{band}), {patch.EQ_Q[band]:.6f}, 1, {mode}"
        lines += [f"a_{side} rbjeq a_{side}, {settings}" for side in ("left", "right")]
    return lines


def _compressor() -> list[str]:
    settings = patch.COMPRESSOR
    low_db, high_db = settings.threshold_db - settings.knee_db / 2, settings.threshold_db + settings.knee_db / 2
    numbers = f"-120, {low_db}, {high_db}, {settings.ratio}, {settings.attack_s}, {settings.release_s}, 0.001"
    return [
        "a_louder = max(abs(a_left), abs(a_right))",
        f"a_makeup = {10.0 ** (settings.makeup_db / 20.0):.6f}",
        f"a_gain compress2 a_makeup, a_louder, {numbers}",
        "a_left *= a_gain",
        "a_right *= a_gain",
    ]


def _network(ksmps: int) -> list[str]:
    settings = patch.REVERB
    num_lines = len(settings.delay_frames)
    lines = [f"a_mixed{line} init 0" for line in range(num_lines)]
    for line, (frames, gain) in enumerate(zip(settings.delay_frames, settings.feedback_gains(), strict=True)):
        delay_s = (frames - ksmps) / patch.SAMPLE_RATE_HZ
        side = ("left", "right")[line % 2]
        lines.append(f"a_delayed delay a_mixed{line} + a_{side}, {delay_s:.9f}")
        lines.append(f"a_damped tone a_delayed, {settings.damping_hz}")
        lines.append(f"a_line{line} = a_damped * {gain:.9f}")
    lines.append(f"a_common = ({' + '.join(f'a_line{line}' for line in range(num_lines))}) * {2.0 / num_lines}")
    lines += [f"a_mixed{line} = a_line{line} - a_common" for line in range(num_lines)]  # Householder: identity − 2/N
    for offset, side in enumerate(("left", "right")):
        tail = " + ".join(f"a_line{line}" for line in range(offset, num_lines, 2))
        lines.append(f"a_{side} += ({tail}) * {settings.wet_gain}")
    return lines


def _reverbsc() -> list[str]:
    settings = patch.REVERB
    feedback = sum(settings.feedback_gains()) / len(settings.feedback_gains())
    return [
        f"a_wet_left, a_wet_right reverbsc a_left, a_right, {feedback:.6f}, {settings.damping_hz}",
        f"a_left += a_wet_left * {settings.wet_gain}",
        f"a_right += a_wet_right * {settings.wet_gain}",
    ]


def _limiter() -> list[str]:
    settings = patch.LIMITER
    ceiling = 10.0 ** (settings.ceiling_db / 20.0)
    numbers = f"-120, {settings.ceiling_db - 2.0}, {settings.ceiling_db}, 1000, {settings.look_ahead_s / 5.0}"
    return [
        "a_peak = max(abs(a_left), abs(a_right))",
        "a_one = 1",
        f"a_gain compress2 a_one, a_peak, {numbers}, {settings.release_s}, {settings.look_ahead_s}",
        *(
            line
            for side in ("left", "right")
            for line in (
                f"a_late delay a_{side}, {settings.look_ahead_s}",
                f"a_{side} limit a_late * a_gain, {-ceiling:.6f}, {ceiling:.6f}",
            )
        ),
    ]


def _score(length_s: float) -> str:
    lines = []
    for backend, (left, right) in enumerate(patch.pan_gains()):
        lines.append(f"i 1 0 {length_s} {backend} {left:.6f} {right:.6f}")
        start_s = patch.BURST_OFFSETS_S[backend]
        while start_s < length_s:
            burst_s = min(_BURST_LENGTH_S, length_s - start_s)
            frequency_hz = patch.BURST_FREQUENCIES_HZ[backend]
            lines.append(f"i 2 {start_s:.6f} {burst_s:.6f} {frequency_hz} {left:.6f} {right:.6f}")
            start_s += patch.BURST_PERIOD_S
    lines += [f"i 3 0 {length_s}", "e"]
    return "\n".join(lines) + "\n"


def measure(
    *,
    runs: int = 3,
    ksmps: int = KSMPS,
    oscillator: Oscillator = "tables",
    reverb: Reverb = "reverbsc",
    threads: int = 1,
) -> tuple[harness.Measurement, harness.RenderCheck]:
    """Measure the whole process; `render_s` is what Csound itself tells of its performance."""
    with tempfile.TemporaryDirectory() as name:
        directory = Path(name)
        command = prepare(directory, ksmps=ksmps, oscillator=oscillator, reverb=reverb, threads=threads)
        measured = harness.measure(command, runs=runs, render_s=render_s)
        return measured, harness.check_render(directory / OUTPUT_NAME)


def main() -> int:
    """Print what the peer took; with ``--all`` every way to play it that was considered."""
    version = available()
    if version is None:
        print("csound is not installed")
        return 0
    rows = [harness.peer_report("tables, ksmps 480", *measure())]
    if "--all" in sys.argv:
        rows.append(harness.peer_report("tables, ksmps 48", *measure(ksmps=48)))
        rows.append(harness.peer_report("written-out network, ksmps 480", *measure(reverb="network")))
        rows.append(harness.peer_report("two threads, ksmps 480", *measure(threads=2)))
        rows.append(harness.peer_report("partials, ksmps 480", *measure(oscillator="partials")))
        rows.append(harness.peer_report("partials, ksmps 48", *measure(oscillator="partials", ksmps=48)))
    print(f"{version}; {harness.machine()}")
    print(harness.table(harness.PEER_HEADER, rows))
    return 0 if all(row[-1] == "ok" for row in rows) else 1


if __name__ == "__main__":
    sys.exit(main())
