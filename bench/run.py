"""``make bench``: how fast sonify renders, beside other engines where they are installed, all in one run.

Prints what ran, on what, medians and ratios. It judges nothing and fails only where a render is wrong.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from pathlib import Path

from bench import harness, sonify_patch
from bench.peers import csound, scsynth
from bench.peers import reference_patch as patch

SONIFY = [sys.executable, "-m", "sonify"]


def reference_patch(runs: int) -> bool:
    """The same patch through every engine; whether every render was right."""
    rows, renders = [], {}
    for threads in (1, 2):
        with tempfile.TemporaryDirectory() as folder:
            wav = Path(folder) / "patch.wav"
            command = [sys.executable, "-m", "bench.sonify_patch", "--threads", str(threads), "-o", str(wav)]
            measured = harness.measure(command, runs=runs)
            measured = measured._replace(render_s=sonify_patch.render_only_s(threads, runs))
            rows.append(
                harness.peer_report(
                    f"sonify, {threads} thread{'s' * (threads > 1)}", measured, harness.check_render(wav)
                )
            )
            renders[f"sonify, {threads}"] = measured.render_s
    if scsynth.available():
        for way in ("blend", "partials"):
            measured, check = scsynth.measure(runs=runs, oscillator=way)
            rows.append(harness.peer_report(f"scsynth NRT, {way}", measured, check))
            renders[f"scsynth, {way}"] = measured.render_s
    else:
        print("scsynth is not installed: left out")
    if csound.available():
        for way in ("tables", "partials"):
            measured, check = csound.measure(runs=runs, oscillator=way)
            rows.append(harness.peer_report(f"csound, {way}", measured, check))
            renders[f"csound, {way}"] = measured.render_s
    else:
        print("csound is not installed: left out")
    print(f"\nReference patch: {patch.NUM_PARTIALS} partials, all sounding; {patch.LENGTH_S:g} s of stereo at 48 kHz")
    print("blend, tables: the peer's fastest way found; partials: one oscillator per partial\n")
    print(harness.table(harness.PEER_HEADER, rows))
    ours = renders["sonify, 1"]
    ratios = [f"{name} {theirs / ours:.1f}×" for name, theirs in renders.items() if not name.startswith("sonify")]
    if ratios:
        print(f"\nrender only, sonify on one thread is faster than: {', '.join(ratios)}")
    return all(row[-1] == "ok" for row in rows)


def whole_commands(runs: int) -> None:
    """What a person waits for."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        day = folder / "day.jsonl.gz"
        simulate = [*SONIFY, "simulate", "busy", "--duration", "24h", "--interval", "60s", "-o", str(day)]
        harness.run_once(simulate)
        render = [*SONIFY, "render", str(day), "-o", str(folder / "day.wav"), "--length", "60s", "--timings"]
        cold = harness.run_once(["env", f"SONIFY_CACHE_DIR={folder / 'cache'}", *render])
        jobs = {
            "sonify --help": [*SONIFY, "--help"],
            "simulate a day (busy, 60 s frames)": simulate,
            "render a day into 60 s": render,
            "render a day into 60 s, one thread": [*render, "--threads", "1"],
        }
        rows = [["render a day into 60 s, very first run", *_figures(cold.wall_s, cold.cpu_s, cold.peak_rss_bytes)]]
        for title, command in jobs.items():
            measured = harness.measure(command, runs=runs)
            rows.append([title, *_figures(measured.wall_s, measured.cpu_s, measured.peak_rss_bytes)])
            timings = measured.runs[-1].output if title == "render a day into 60 s" else ""
            if timings:
                where = [line for line in timings.splitlines() if line.startswith("  ")]
    print("\nWhole commands, start to exit\n")
    print(harness.table(("command", "wall", "cpu", "memory"), rows))
    print("\nwhere the time of one render of a day went")
    print("\n".join(where))


def _figures(wall_s: float, cpu_s: float, peak_rss_bytes: int) -> list[str]:
    return [f"{wall_s:.2f} s", f"{cpu_s:.2f} s", f"{peak_rss_bytes / 2**20:.0f} MB"]


def main() -> int:
    """Run everything."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=5, help="runs that count, after one that does not")
    options = parser.parse_args()
    print(harness.machine())
    print(f"medians of {options.runs} runs after a warm-up")
    good = reference_patch(options.runs)
    whole_commands(options.runs)
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
