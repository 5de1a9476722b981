"""Helpers of the benchmark: run a command several times and measure it, check what it rendered, print a table.

Everything here needs only Python, numpy and soundfile, and a Unix (``os.wait4`` tells the CPU time and the peak memory
of one child).
"""

from __future__ import annotations

import os
import platform
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Callable, Sequence
from importlib import metadata
from pathlib import Path
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import soundfile

from bench.peers import reference_patch as patch

Floats = npt.NDArray[np.float64]

PEER_HEADER = ("engine", "× render", "render", "× process", "wall", "cpu", "memory", "peak", "check")

KIB = 1024
WEAKEST_ALLOWED_DB = 12.0
MAX_RSS_UNIT = 1 if sys.platform == "darwin" else KIB  # ru_maxrss is in bytes on macOS, in KiB elsewhere

# prints: exit code, wall time, CPU time, peak memory; what the command prints goes to stderr
_AWAIT = """
import os, sys, time
start_s = time.perf_counter()
child = os.posix_spawnp(sys.argv[1], sys.argv[1:], os.environ, file_actions=[(os.POSIX_SPAWN_DUP2, 2, 1)])
_, status, usage = os.wait4(child, 0)
wall_s = time.perf_counter() - start_s
print(os.waitstatus_to_exitcode(status), wall_s, usage.ru_utime + usage.ru_stime, usage.ru_maxrss)
"""


class ProcessRun(NamedTuple):
    """One run of a command, the whole process from start to exit."""

    wall_s: float
    cpu_s: float  # user + system
    peak_rss_bytes: int
    output: str  # stdout and stderr


class Measurement(NamedTuple):
    """Medians over several runs of the same command."""

    wall_s: float
    cpu_s: float
    peak_rss_bytes: int
    render_s: float  # NaN where the program does not tell
    runs: tuple[ProcessRun, ...]


class RenderCheck(NamedTuple):
    """What a rendered file of the reference patch contains."""

    length_s: float
    peak_dbfs: float
    rms_dbfs: float
    weakest_partial_db: float  # how far the weakest of the expected partials stands out of the spectrum beside it
    problems: tuple[str, ...]


def run_once(command: Sequence[str]) -> ProcessRun:
    """Run a command to its end.

    A small interpreter in between starts and awaits it: Linux counts the memory of the process that forks towards the
    peak of its child, and this one may have grown by hundreds of MB.

    Raises
    ------
    RuntimeError
        It could not be started or exited with another code than 0; the message ends with the last lines it printed.
    """
    with tempfile.TemporaryFile() as captured:
        awaited = subprocess.run(
            [sys.executable, "-I", "-S", "-c", _AWAIT, *command],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=captured,
            check=False,
        )
        captured.seek(0)
        output = captured.read().decode(errors="replace")
    figures = awaited.stdout.split()
    if len(figures) != 4 or int(figures[0]) != 0:
        tail = " | ".join(output.strip().splitlines()[-3:])
        raise RuntimeError(f"{command[0]} exited with {int(figures[0]) if figures else 'no result'}: {tail}")
    return ProcessRun(float(figures[1]), float(figures[2]), int(figures[3]) * MAX_RSS_UNIT, output)


def measure(
    command: Sequence[str],
    *,
    runs: int = 3,
    warm_ups: int = 1,
    render_s: Callable[[ProcessRun], float] | None = None,
) -> Measurement:
    """Run a command `warm_ups` times for nothing and then `runs` times; return the medians.

    `render_s` finds the time spent on rendering alone in a run, usually in its output.
    """
    for _ in range(warm_ups):
        run_once(command)
    done = tuple(run_once(command) for _ in range(runs))
    return Measurement(
        wall_s=statistics.median(run.wall_s for run in done),
        cpu_s=statistics.median(run.cpu_s for run in done),
        peak_rss_bytes=int(statistics.median(run.peak_rss_bytes for run in done)),
        render_s=statistics.median(render_s(run) for run in done) if render_s else float("nan"),
        runs=done,
    )


def _stand_out_db(spectrum_db: Floats, bin_hz: float, frequency_hz: float) -> float:
    """Return how far the peak within 0.1 Hz of a frequency is over the median of the spectrum 5–25 Hz beside it."""

    def part(low_hz: float, high_hz: float) -> Floats:
        return spectrum_db[int((frequency_hz + low_hz) / bin_hz) : int((frequency_hz + high_hz) / bin_hz) + 2]

    return float(part(-0.1, 0.1).max() - np.median(np.concatenate([part(-25.0, -5.0), part(5.0, 25.0)])))


def _weakest_partial_db(audio: Floats) -> float:
    """Return how far the weakest expected partial stands out, in dB.

    One spectrum over the whole length: the partials never change their frequency, so they gather there while noise
    and the sidebands of everything that moves do not. Noise alone reaches about 8 dB. The power of both channels is
    added, so that backends that meet in opposite phase in the one still show in the other.
    """
    spectrum = np.fft.rfft(audio * np.blackman(len(audio))[:, None], axis=0)
    spectrum_db = 10.0 * np.log10(np.sum(np.abs(spectrum) ** 2, axis=1) + 1e-30)
    bin_hz = patch.SAMPLE_RATE_HZ / len(audio)
    frequencies_hz = [
        h * frequency_hz
        for band, frequency_hz in enumerate(patch.BAND_FREQUENCIES_HZ)
        for h in (1, *patch.overtones_of(band))
    ]
    return min(_stand_out_db(spectrum_db, bin_hz, frequency_hz) for frequency_hz in frequencies_hz)


def check_render(path: Path, length_s: float = patch.LENGTH_S) -> RenderCheck:
    """Decode a render of the reference patch and say what is wrong with it (`problems` is empty if nothing is)."""
    audio, sample_rate_hz = soundfile.read(path, dtype="float32", always_2d=True)
    problems = []
    if sample_rate_hz != patch.SAMPLE_RATE_HZ or audio.shape[1] != 2:
        problems.append(f"{sample_rate_hz} Hz with {audio.shape[1]} channels instead of 48000 Hz stereo")
    found_s = len(audio) / sample_rate_hz
    if abs(found_s - length_s) > 0.05:
        problems.append(f"{found_s:.3f} s long instead of {length_s:.3f} s")
    if not np.isfinite(audio).all():
        problems.append("holds NaN or infinity")
        return RenderCheck(found_s, float("nan"), float("nan"), float("nan"), tuple(problems))
    peak_dbfs = 20.0 * float(np.log10(np.abs(audio).max(initial=0.0) + 1e-30))
    rms_dbfs = 10.0 * float(np.log10(np.mean(audio.astype(np.float64) ** 2) + 1e-30))
    if not -40.0 < rms_dbfs < -6.0:
        problems.append(f"level is {rms_dbfs:.1f} dBFS RMS")
    if peak_dbfs > 0.0:
        problems.append(f"peak is {peak_dbfs:.1f} dBFS: not limited")
    weakest_db = _weakest_partial_db(audio.astype(np.float64))
    if weakest_db < WEAKEST_ALLOWED_DB:
        problems.append(f"the weakest partial stands out by only {weakest_db:.1f} dB")
    return RenderCheck(found_s, peak_dbfs, rms_dbfs, weakest_db, tuple(problems))


def table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Plain text table: the first column to the left, the others to the right."""
    widths = [max(len(row[column]) for row in (header, *rows)) for column in range(len(header))]

    def line(cells: Sequence[str]) -> str:
        padded = [
            cell.rjust(width) if index else cell.ljust(width)
            for index, (cell, width) in enumerate(zip(cells, widths, strict=True))
        ]
        return "  ".join(padded).rstrip()

    return "\n".join([line(header), line(["-" * width for width in widths]), *(line(row) for row in rows)])


def _cpu_model() -> str:
    """Name of the processor, as the system tells it."""
    try:
        for text in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines():
            key, _, value = text.partition(":")
            if key.strip() == "model name":
                return value.strip()
    except OSError:
        pass
    return platform.processor() or platform.machine()


def _version(distribution: str) -> str:
    try:
        return metadata.version(distribution)
    except metadata.PackageNotFoundError:
        return "absent"


def machine() -> str:
    """One line: processor, cores, system, and the versions that matter."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    return (
        f"{_cpu_model()}, {cores} cores, {platform.system()} {platform.machine()}, Python {platform.python_version()}, "
        f"numpy {_version('numpy')}, numba {_version('numba')}"
    )


def peer_report(name: str, measured: Measurement, check: RenderCheck, length_s: float = patch.LENGTH_S) -> list[str]:
    """One row for `PEER_HEADER`."""
    return [
        name,
        f"{length_s / measured.render_s:.1f}",
        f"{measured.render_s:.2f} s",
        f"{length_s / measured.wall_s:.1f}",
        f"{measured.wall_s:.2f} s",
        f"{measured.cpu_s:.2f} s",
        f"{measured.peak_rss_bytes / 2**20:.0f} MB",
        f"{check.peak_dbfs:.1f} dBFS",
        "; ".join(check.problems) or "ok",
    ]
