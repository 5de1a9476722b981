"""All files of one render: the audio first, then what is made of it."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from sonify import __version__
from sonify.commands.delivery_options import Wanted
from sonify.dsp.quantum import CONTROL_RATE_HZ
from sonify.mapping.mapper import Mapper, learn_baseline
from sonify.mapping.preset import SoundPreset
from sonify.mapping.scorer import Scorer
from sonify.mapping.timeline import Timeline
from sonify.metrics.recording import Recording
from sonify.outputs.about import About, Loudness, one_line
from sonify.outputs.session import Session
from sonify.outputs.staging import Staging
from sonify.runner.delivery import Delivered, Delivery, deliver
from sonify.runner.markers import find_markers
from sonify.runner.offline import ScoredSteps
from sonify.runner.stem_files import stem_file_names
from sonify.units import clock, format_duration

if TYPE_CHECKING:
    from sonify.diagnosis.findings import Finding

__all__ = ["Rendering"]

_MARGIN_QUANTA = 10  # behind a reverb's tail


class Rendering:
    """What one run of the command makes.

    Parameters
    ----------
    recording : Recording
        On the engine's bands, with the backends that are played.
    timeline : Timeline
        How it is played.
    preset : SoundPreset
        Through which.
    wanted : Wanted
        Which files.
    learns_baseline : bool
        Whether the recording's own median counts as normal, where the preset says nothing.
    seed, threads : int
        As usual.
    """

    def __init__(
        self,
        recording: Recording,
        timeline: Timeline,
        preset: SoundPreset,
        wanted: Wanted,
        *,
        learns_baseline: bool,
        seed: int,
        threads: int,
    ) -> None:
        self._recording, self._timeline, self._preset, self._wanted = recording, timeline, preset, wanted
        self._seed, self._threads = seed, threads
        layout = recording.layout
        baseline = learn_baseline(recording) if learns_baseline else None
        self._mapper = Mapper(preset, layout.backends, baseline, num_batch_bands=layout.num_batch_bands)
        self._findings = _find(recording, preset) if wanted.is_diagnosed else []
        self.tail_quanta = _tail_quanta(wanted.tail_s, preset)
        self._about = _about(recording, timeline, preset, self._findings)
        self._stems: dict[str, Path] = {}
        if wanted.stems is not None:
            self._stems = {name: wanted.stems / file for name, file in stem_file_names(layout.backends).items()}
        self._delivered = Delivered(0.0, Loudness(), 0)

    @property
    def length_s(self) -> float:
        """Length of the sound, tail included."""
        return (self._timeline.num_quanta + self.tail_quanta) / CONTROL_RATE_HZ

    def write_all(self, staging: Staging, progress: Callable[[int], None], lap: Callable[[str], None]) -> str:
        """Write all files; returns what to say about the sound.

        Parameters
        ----------
        staging : Staging
            Where they are written.
        progress : callable
            Told the number of quanta that are rendered.
        lap : callable
            Told the name of each part when it is done.
        """
        wanted = self._wanted
        told = self._write_audio(staging, progress)
        lap("render and write")
        if wanted.midi is not None:
            self._write_midi(staging.path(wanted.midi))
            lap("MIDI")
        if wanted.report is not None:
            self._write_report(staging)
            lap("report")
        if wanted.dawproject is not None or wanted.rpp is not None:
            self._write_sessions(staging)
            lap("sessions")
        if wanted.checksums:
            self._write_checksums(staging)
            lap("checksums")
        return told

    def _write_audio(self, staging: Staging, progress: Callable[[int], None]) -> str:
        """Write mix and stems; returns what to say about them."""
        wanted = self._wanted
        delivery = Delivery(
            path=staging.path(wanted.output),
            stem_paths=tuple(staging.path(path) for path in self._stems.values()),
            rate_hz=wanted.rate_hz,
            depth=wanted.depth,
            dither=wanted.dither,
            target_lufs=wanted.target_lufs,
            gain_db=wanted.gain_db,
            tail_quanta=self.tail_quanta,
            seed=self._seed,
            threads=self._threads,
            about=self._about,
        )
        begin = time.perf_counter()
        self._delivered = deliver(delivery, self._mapper, self._scores(), self._timeline.num_quanta, progress)
        speed = self.length_s / (time.perf_counter() - begin)
        loudness = self._delivered.loudness
        lufs = loudness.integrated_lufs
        told = "too short to measure LUFS" if math.isnan(lufs) else f"{lufs:.1f} LUFS"
        gain = f", gain {self._delivered.gain_db:+.2f} dB" if self._delivered.gain_db else ""
        peak = f"true peak {loudness.true_peak_dbtp:.1f} dBTP"
        return f"{format_duration(self.length_s)}, {told}, {peak}{gain}, {speed:.0f}× real time"

    def also_written(self) -> list[str]:
        """List what else was written, a line for each kind."""
        wanted = self._wanted
        lines = [] if wanted.stems is None else [f"{wanted.stems}: {len(self._stems)} stems"]
        lines += [str(path) for path in (wanted.midi, wanted.report, wanted.dawproject, wanted.rpp) if path]
        return [*lines, *([str(self._checksums)] if wanted.checksums else [])]

    @property
    def _checksums(self) -> Path:
        return self._wanted.output.with_name(f"{self._wanted.output.name}.sha256")

    def _scores(self) -> ScoredSteps:
        return Scorer(self._mapper).all(self._timeline.steps())

    def _write_midi(self, path: Path) -> None:
        from sonify.midi.file import write_midi_file

        markers = [(marker.time_s, marker.text) for marker in self._about.markers]
        write_midi_file(path, self._mapper, self._scores(), seed=self._seed, title=self._about.title, markers=markers)

    def _write_report(self, staging: Staging) -> None:
        from sonify.diagnosis.hints import hints
        from sonify.diagnosis.system_filters import system_filters
        from sonify.report.content import ReportContent
        from sonify.report.examples import make_examples
        from sonify.report.page import write_report

        assert self._wanted.report is not None
        figures = system_filters(self._recording, self._findings)
        loudness = self._delivered.loudness
        content = ReportContent(
            recording=self._recording,
            timeline=self._timeline,
            preset=self._preset,
            audio=staging.staged(self._wanted.output),
            title=self._about.title,
            version=__version__,
            loudness_lufs=loudness.integrated_lufs,
            true_peak_dbtp=loudness.true_peak_dbtp,
            findings=self._findings,
            figures=figures,
            hints=hints(self._recording, figures),
            stems={name: staging.staged(path) for name, path in self._stems.items()},
            examples=make_examples(self._preset),
        )
        write_report(staging.path(self._wanted.report), content)

    def _write_sessions(self, staging: Staging) -> None:
        from sonify.outputs.dawproject import write_dawproject
        from sonify.outputs.reaper import write_reaper_project
        from sonify.runner.session import make_session

        def session(stems: dict[str, Path]) -> Session:
            return make_session(
                self._mapper,
                self._timeline,
                stems,
                about=self._about,
                rate_hz=self._wanted.rate_hz,
                length_s=self.length_s,
                gain_db=self._delivered.gain_db,
            )

        if self._wanted.dawproject is not None:
            staged = {name: staging.staged(path) for name, path in self._stems.items()}
            write_dawproject(staging.path(self._wanted.dawproject), session(staged))
        if self._wanted.rpp is not None:
            final = self._wanted.rpp
            write_reaper_project(staging.path(final), session(self._stems), final.parent)

    def _write_checksums(self, staging: Staging) -> None:
        from sonify.outputs.manifest import write_manifest

        files = [(staging.staged(final), final) for final in staging.finals]
        write_manifest(staging.path(self._checksums), files, self._checksums.parent)


def _tail_quanta(tail_s: float | None, preset: SoundPreset) -> int:
    """Length of the tail; None: what the reverb takes to fall by 60 dB."""
    if tail_s is not None:
        return round(tail_s * CONTROL_RATE_HZ)
    return math.ceil(preset.reverb.decay * CONTROL_RATE_HZ) + _MARGIN_QUANTA if preset.reverb.mix > 0.0 else 0


def _find(recording: Recording, preset: SoundPreset) -> list[Finding]:
    """Diagnose what is rendered; it takes 0.3 s that a plain render is spared."""
    from sonify.diagnosis.findings import diagnose

    return diagnose(recording, preset.limits)


def _about(recording: Recording, timeline: Timeline, preset: SoundPreset, findings: list[Finding]) -> About:
    length_s = timeline.num_quanta / CONTROL_RATE_HZ
    source = one_line(recording.source, 80) or "metrics"
    since, until = clock(recording.start_s), clock(recording.end_s)
    title = f"{source}, {since} to {until}"
    return About(
        title=title,
        description=f"sonify {__version__}, preset {preset.name}, at {timeline.speed:.4g}x: {title}",
        version=__version__,
        begin_s=recording.start_s,
        markers=tuple(find_markers(recording, findings, timeline.speed, length_s)),
    )
