"""A live session without a sound card: its threads, its controls, and how it ends."""

import dataclasses
import threading
import time
import tracemalloc

import numpy as np
import pytest

from sonify.errors import ReaderError, RenderError
from sonify.mapping.preset_file import load_sound_preset
from sonify.metrics.bands import LatencyBands
from sonify.metrics.frame import Layout, MetricFrame
from sonify.metrics.panels import State
from sonify.metrics.recording_format import load_recording
from sonify.readers.source import Update
from sonify.runner.controls import Knobs
from sonify.runner.deck import Deck
from sonify.runner.live import Live, LiveSettings
from sonify.runner.player import Player

INTERVAL_S = 0.3


def layout(*backends):
    return Layout(INTERVAL_S, backends, LatencyBands().edges_s, np.empty(0))


def frame(shape, **values):
    blank = MetricFrame.unmeasured(shape, 0.0, fresh=True)
    rate = np.full((shape.num_backends, 24), 0.3)
    return dataclasses.replace(blank, latency_rate=rate, request_rate=rate.sum(axis=1), **values)


class Source:
    """Hands over the same frame again and again, until it is told another; ends after `count`."""

    title = "source"

    def __init__(self, shape=None, *, count=10**6, error=None):
        self.frame = frame(shape or layout("rust", "go"))
        self.warnings = []
        self._count, self._error = count, error

    def follow(self, stop):
        if self._error is not None:
            raise self._error
        for _ in range(self._count):
            yield Update(self.frame, 0.05)
            if stop.wait(INTERVAL_S):
                return


def until(condition, timeout_s=15.0):
    give_up_s = time.monotonic() + timeout_s
    while not condition():
        assert time.monotonic() < give_up_s
        time.sleep(0.01)


@pytest.fixture
def session():
    """Makes sessions that are stopped when the test ends."""
    made = []

    def make(*sources, tap=lambda _audio: None, sound="organ", **wanted):
        live = Live(list(sources), LiveSettings(card=None, sound=sound, **wanted), tap=tap)
        live.prepare()
        made.append(live)
        live.start()
        return live

    yield make
    for live in made:
        live.stop()


def test_a_snapshot_shows_what_plays(session):
    live = session(Source())
    until(lambda: live.snapshot().frame.fresh and live.snapshot().backend_level_db.max() > -60.0)
    until(lambda: np.abs(live.snapshot().audio).max() > 0.0)
    snapshot = live.snapshot()
    assert snapshot.frame.layout.backends == ("rust", "go")
    assert snapshot.panel_states["latency_p95"] != State.UNKNOWN
    assert len(snapshot.backend_states) == len(snapshot.backend_level_db) == 2
    assert snapshot.audio.shape == (4096, 2)
    assert snapshot.preset == "organ"
    assert snapshot.sources[0].title == "source"
    assert not snapshot.sources[0].is_stale
    assert snapshot.true_peak_dbtp < -1.0
    assert snapshot.device == ""
    assert 0.0 < snapshot.frame_to_ear_s < 60.0
    assert live.snapshot() is live.snapshot()


def test_controls_are_heard_and_shown(session):
    live = session(Source())
    until(lambda: np.abs(live.snapshot().audio).max() > 0.0)
    live.controls.toggle_mute()
    until(lambda: not live.snapshot().audio.any())
    assert live.snapshot().is_muted
    live.controls.toggle_mute()
    live.controls.step_preset(1)
    until(lambda: live.snapshot().preset == "percussive" and live.snapshot().audio.any())
    assert live.sound.name == "percussive"


def test_an_alarm_stands_until_it_is_acknowledged(session):
    source = Source()
    live = session(source)
    until(lambda: live.snapshot().frame.fresh)
    source.frame = frame(source.frame.layout, queue_depth=500.0)
    until(lambda: "queue_depth" in live.snapshot().unacknowledged)
    live.controls.acknowledge()
    until(lambda: "queue_depth" not in live.snapshot().unacknowledged)
    assert live.snapshot().panel_states["queue_depth"] == State.RED


def test_a_backend_that_appears_joins(session):
    source = Source()
    live = session(source)
    until(lambda: live.snapshot().frame.fresh)
    source.frame = frame(layout("rust", "go", "sql"))
    until(lambda: live.snapshot().frame.layout.num_backends == 3)
    assert len(live.snapshot().backend_level_db) == 3


def test_more_backends_than_voices_share_the_last(session):
    source = Source(layout(*(f"b{i:02}" for i in range(15))))
    live = session(source, sound="code-live")
    until(lambda: live.snapshot().frame.fresh)
    assert live.snapshot().frame.layout.num_backends == 12
    assert live.snapshot().frame.layout.backends[-1] == "others"


def test_several_sources_are_heard_together(session):
    live = session(Source(layout("rust")), Source(layout("go")))
    until(lambda: live.snapshot().frame.layout.num_backends == 2 and live.snapshot().frame.fresh)
    assert len(live.snapshot().sources) == 2


def test_without_any_frame_it_sounds_stale(session):
    live = session(Source(count=0, error=None))
    until(lambda: not live.is_running)  # nothing can come any more

    class Silent(Source):
        def follow(self, stop):
            stop.wait()
            yield from ()

    live = session(Silent())
    until(lambda: live.snapshot().audio.any())
    assert not live.snapshot().frame.fresh


def test_a_source_that_ends_ends_the_session_after_its_last_frame(session, tmp_path):
    path = tmp_path / "played.jsonl.gz"
    live = session(Source(count=4), record=path)
    until(lambda: not live.is_running)
    live.stop()
    assert live.error is None
    recording = load_recording(path)
    assert recording.duration_s >= 4 * INTERVAL_S - 0.05
    assert recording.fresh.all()


def test_a_source_that_cannot_be_followed_ends_the_session_with_its_reason(session):
    live = session(Source(error=ReaderError("cannot listen: address in use")))
    until(lambda: not live.is_running)
    assert isinstance(live.error, ReaderError)
    assert threading.active_count() < 20


def test_a_recording_that_cannot_be_written_ends_the_session_with_its_reason(session, tmp_path):
    live = session(Source(), record=tmp_path / "no" / "such" / "folder.jsonl")
    until(lambda: not live.is_running)
    assert isinstance(live.error, RenderError)
    assert "folder.jsonl" in str(live.error)


def test_it_ends_after_its_time_with_a_fade(session):
    parts = []
    live = session(Source(), tap=lambda audio: parts.append(audio.copy()), duration_s=1.5)
    until(lambda: not live.is_running)
    live.stop()
    audio = np.concatenate(parts)
    assert not audio[-480:].any()
    assert np.abs(audio[-9600:-4800]).max() > 0.0


def test_memory_does_not_grow():
    """Ten minutes of frames as fast as they can be played."""
    shape = layout("rust", "go", "sql")
    rng = np.random.default_rng(0)
    frames = [
        frame(shape, glitch_rate=rng.poisson(0.5, 3).astype(float), error_ratio=rng.random(3) * 0.1) for _ in range(20)
    ]
    player = Player()
    player.adopt(Deck(load_sound_preset("organ"), frames[:1], seed=0))

    def play(count):
        for index in range(count):
            player.take(frames[index % len(frames)])
            for _ in range(3):
                player.render(10, Knobs())

    play(50)
    tracemalloc.start()
    play(20)
    before = tracemalloc.take_snapshot()
    play(200)
    grown = sum(stat.size_diff for stat in tracemalloc.take_snapshot().compare_to(before, "filename"))
    tracemalloc.stop()
    assert player.quantum == 270 * 30
    assert grown < 50_000
