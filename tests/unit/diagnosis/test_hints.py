"""Hints say what was measured, and never more."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from test_findings import recording

from sonify.diagnosis.figure import Figure
from sonify.diagnosis.findings import diagnose
from sonify.diagnosis.hints import hints
from sonify.diagnosis.system_filters import system_filters
from sonify.mapping.preset_file import load_sound_preset
from sonify.metrics.recording import Recording
from sonify.readers.simulation import simulate_recording


def hints_of(of: Recording) -> dict[str, Figure]:
    filters = system_filters(of, diagnose(of, load_sound_preset("code-live").limits))
    return {one.name: one for one in hints(of, filters)}


def test_an_overload_shows_how_many_workers_there_are() -> None:
    scale = hints_of(simulate_recording("overload"))["scale"]
    assert scale.backend == "julia"
    assert scale.value == 4.0  # two workers that take two requests each
    assert "scale out" in scale.sentence


def test_batches_that_stay_small_while_requests_wait() -> None:
    batch = hints_of(simulate_recording("overload"))["batch"]
    assert 1.5 < batch.value < 3.0
    assert "batch what is alike" in batch.sentence


def test_the_backend_with_most_work_is_the_one_to_cache() -> None:
    cache = hints_of(simulate_recording("quiet"))["cache"]
    assert cache.backend == "julia"
    assert 0.3 < cache.value < 0.5


def test_a_calm_service_gets_no_hint_that_needs_a_queue() -> None:
    calm = hints_of(simulate_recording("quiet"))
    assert not calm["batch"].is_known
    assert not calm["scale"].is_known
    assert calm["scale"].sentence.startswith("not enough data: ")


def test_nothing_measured_gives_no_hint() -> None:
    blank = recording()
    blank = replace(
        blank,
        latency_rate=np.full_like(blank.latency_rate, np.nan),
        queue_depth=np.full(60, np.nan),
        active_requests=np.full(60, np.nan),
    )
    assert not any(one.is_known for one in hints_of(blank).values())
