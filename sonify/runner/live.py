"""Listening live: readers, engine and sound card, each at its own pace.

Three kinds of threads. Each source has one, which only hands over updates. The *render thread* makes audio a tenth of a
second ahead of whoever takes it, and never waits for anything but time. The *keeper* does all that may take longer: it
watches card and presets, builds engines, writes the recording.
"""

from __future__ import annotations

import gc
import math
import sys
import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from threading import Event, Lock, Thread

import numpy as np

from sonify.dsp.meter import LoudnessMeter
from sonify.dsp.quantum import SAMPLE_RATE_HZ
from sonify.engine import LATENCY_FRAMES
from sonify.errors import DeviceError, SonifyError
from sonify.mapping.preset import SoundPreset
from sonify.mapping.score import Score
from sonify.metrics.bands import LatencyBands
from sonify.metrics.frame import Layout, MetricFrame
from sonify.metrics.panels import State
from sonify.outputs.sound_card import CardSettings
from sonify.readers.readable import readable
from sonify.readers.source import ALL, Source
from sonify.runner.card_keeper import CardKeeper
from sonify.runner.companion import Block, Companion
from sonify.runner.controls import Controls
from sonify.runner.deck import Deck, Played, choose_kept
from sonify.runner.following import Following
from sonify.runner.merge import Merger
from sonify.runner.observation import Observation
from sonify.runner.outlet import History, Outlet, Pacer
from sonify.runner.played import PlayedRecording
from sonify.runner.player import Player
from sonify.runner.presets import PresetChoice
from sonify.runner.recording import RecordingFiles
from sonify.runner.snapshot import Snapshot

__all__ = ["Live", "LiveSettings"]

_BLOCK_QUANTA = 2
_SHORTEST_WAIT_S, _LONGEST_WAIT_S = 0.002, 0.025
_KEEPER_WAIT_S = 0.1
_SNAPSHOT_S = 0.03
_PATIENCE_S = 2.0  # for the first frame
_SWITCH_INTERVAL_S = 0.0005  # a reader that computes must not keep the render thread from its turn
_HISTORY_FRAMES = 1 << 16
_SHOWN_FRAMES = 4096
_END_TIMEOUT_S = 1.0
_RECENT_FRAMES = 60  # that decide who has a voice, where there are too few
_RECONSIDER_S = 15.0
_BLANK = MetricFrame.unmeasured(Layout(1.0, (ALL,), LatencyBands().edges_s, np.empty(0)), 0.0)


@dataclass(frozen=True, slots=True)
class LiveSettings:
    """What is wanted of a live session.

    Attributes
    ----------
    sound : str
        Name or file of the sound preset.
    card : CardSettings or None
        The sound card; None: none.
    needs_card : bool
        Whether there is no point in going on where no card can be opened at the start.
    ahead_s : float
        Audio that is ready ahead of the card.
    record : Path or None
        Where the frames go, as they were played.
    seed : int
        Of all randomness.
    duration_s : float
        When to end by itself.
    """

    sound: str = "code-live"
    card: CardSettings | None = field(default_factory=CardSettings)
    needs_card: bool = True
    ahead_s: float = 0.1
    record: Path | None = None
    seed: int = 0
    duration_s: float = math.inf


class Live:
    """A live session.

    Parameters
    ----------
    sources : sequence of Source
        At least one.
    settings : LiveSettings
        What is wanted.
    tap : callable
        Given all audio in blocks, shape (frames, 2), from the render thread; for tests.

    Attributes
    ----------
    controls : Controls
        What may be turned while it plays.
    error : SonifyError or None
        Why it ended, where it did not end well.
    companion : Companion or None
        Who plays along, such as a MIDI port; set it before the start.
    """

    def __init__(
        self,
        sources: Sequence[Source],
        settings: LiveSettings,
        *,
        tap: Callable[[np.ndarray], None] = lambda _audio: None,
    ) -> None:
        self.controls = Controls()
        self.error: SonifyError | None = None
        self.companion: Companion | None = None
        self._settings = settings
        self._choice = PresetChoice(settings.sound)
        self._speed = float(getattr(sources[0], "speed", 1.0)) if len(sources) == 1 else 1.0
        self._stop_reading = Event()
        self._following = Following(sources, self._stop_reading)
        self._merger = Merger([source.title for source in sources])
        self._player = Player(self._note_step, self._tell_companion)
        self._pacer = Pacer(settings.ahead_s, time.monotonic())
        self._history = History(_HISTORY_FRAMES)
        self._meter = LoudnessMeter(SAMPLE_RATE_HZ, 2)
        self._observation = Observation()
        self._tap = tap
        self._outlet: Outlet | None = None
        self._change = Lock()  # of the outlet
        self._keeper = None if settings.card is None else CardKeeper(settings.card, self._attach, self._detach)
        self._sample: MetricFrame | None = None  # newest frame, of the newest layout
        self._recent: deque[MetricFrame] = deque(maxlen=_RECENT_FRAMES)  # of its layout
        self._homeless: deque[MetricFrame] = deque(maxlen=100)  # frames that wait for a deck of their layout
        self._awaited: Layout | None = None  # layout of the deck that was asked for
        self._deck_wanted = Event()
        self._deck_ready: Deck | None = None
        self._arrived_s = math.nan  # when the newest frame came
        self._unheard_s = math.nan  # likewise, where it is not in any step yet
        self._steps: deque[tuple[MetricFrame, int, float]] = deque()  # that the keeper has not written yet
        self._recording: PlayedRecording | None = None
        self._ending = Event()
        self._stopped = Event()
        self._wake = Event()
        self._threads = [
            Thread(target=self._guarded, args=(self._render,), name="render", daemon=True),
            Thread(target=self._guarded, args=(self._keep,), name="keeper", daemon=True),
        ]
        self._switch_interval_s = sys.getswitchinterval()
        self._started_s = time.monotonic()
        self._considered_s = self._started_s
        self._snapshot: Snapshot | None = None
        self._observed_s = -math.inf
        self._snapshot_lock = Lock()

    # -- for whoever runs it ---------------------------------------------------------------------------------------

    def prepare(self) -> None:
        """Load what is needed, and compile it where that was never done; `start` does it beside opening the card."""
        player = Player()
        player.adopt(Deck(self._choice.preset, [_BLANK], seed=0))
        meter = LoudnessMeter(SAMPLE_RATE_HZ, 2)
        meter.process(player.render(1, self.controls.knobs).T)
        meter.true_peak_dbtp()

    def start(self) -> None:
        """Begin; nothing is waited for."""
        sys.setswitchinterval(_SWITCH_INTERVAL_S)
        self._started_s = time.monotonic()
        self._following.start()
        for thread in self._threads:
            thread.start()

    @property
    def sound(self) -> SoundPreset:
        """The sound preset that plays."""
        return self._choice.preset

    @property
    def is_running(self) -> bool:
        """Whether it has not ended."""
        return not self._stopped.is_set()

    def wait(self, timeout_s: float | None = None) -> bool:
        """Wait until it has ended by itself, or for a time; whether it has."""
        return self._stopped.wait(timeout_s)

    def end(self) -> None:
        """Begin to fade out, and wait for nothing."""
        self._stop_reading.set()
        self._ending.set()

    def stop(self) -> None:
        """Fade out, close everything and leave complete files; a second call changes nothing."""
        self.end()
        for thread in self._threads:
            if thread.is_alive():
                thread.join(5.0)
        self._stopped.set()
        self._following.join(0.5)
        sys.setswitchinterval(self._switch_interval_s)

    @property
    def backends(self) -> tuple[str, ...]:
        """Backends that have a voice, in order; empty before anything plays."""
        deck = self._player.deck
        return deck.backends if deck is not None else ()

    def say(self, text: str) -> None:
        """Leave a notice for whoever watches."""
        self._following.notices.append(readable(text))

    def snapshot(self) -> Snapshot:
        """Picture of this moment, at most 30 ms old."""
        with self._snapshot_lock:
            now_s = time.monotonic()
            if self._snapshot is None or now_s - self._observed_s > _SNAPSHOT_S:
                self._snapshot, self._observed_s = self._observe(now_s), now_s
            return self._snapshot

    # -- render thread ---------------------------------------------------------------------------------------------

    def _render(self) -> None:
        while True:
            now_s = time.monotonic()
            with self._change:
                wait_s = self._pacer.wait_s(self._outlet, now_s)
            if wait_s > 0.0:
                time.sleep(min(max(wait_s, _SHORTEST_WAIT_S), _LONGEST_WAIT_S))
                continue
            self._receive(now_s)
            if self._ending.is_set():
                self._player.end()
            audio = self._player.render(_BLOCK_QUANTA, self.controls.knobs)
            with self._change:
                if self._outlet is not None:
                    self._outlet.write(audio)
                self._history.write(audio)
                self._pacer.add(len(audio))
            self._meter.process(audio.T)
            self._tap(audio)
            self._observation.rendered(len(audio), time.monotonic() - now_s)
            if self._player.has_ended:
                return

    def _receive(self, now_s: float) -> None:
        """Take what has arrived, and a deck that is ready."""
        for source, update, at_s in self._following.take():
            frame = self._merger.add(source, update.frame, at_s)
            if frame is not None:
                self._take_frame(frame)
                self._arrived_s = self._unheard_s = at_s
        if self._deck_ready is not None:
            self._adopt(self._deck_ready)
            self._deck_ready = None
        if self._sample is None and now_s - self._started_s > _PATIENCE_S:
            self._take_frame(_BLANK)
        if self._following.has_ended and not self._ending.is_set() and self._is_played_out():
            self._ending.set()

    def _is_played_out(self) -> bool:
        """Whether the last frame has sounded for its interval."""
        interval_s = self._sample.layout.interval_s / self._speed if self._sample is not None else 0.0
        return math.isnan(self._arrived_s) or time.monotonic() - self._arrived_s > interval_s

    def _take_frame(self, frame: MetricFrame) -> None:
        if self._sample is not None and not self._sample.layout.same_as(frame.layout):
            self._recent.clear()
        self._sample = frame
        self._recent.append(frame)
        if not self._player.take(frame):
            self._homeless.append(frame)
            if self._awaited is None or not self._awaited.same_as(frame.layout):
                self._awaited = frame.layout
                self._deck_wanted.set()
                self._wake.set()

    def _adopt(self, deck: Deck) -> None:
        before = self._player.deck
        self._player.adopt(deck)
        taken = [frame for frame in self._homeless if self._player.take(frame)]
        self._homeless.clear()
        self._awaited = None
        if not taken and before is not None and self._sample is not None and self._sample.layout.same_as(deck.layout):
            self._player.take(_held(self._sample, is_stale=not before.frame.fresh))

    def _note_step(self, played: Played) -> None:
        now_s = time.monotonic()
        if not math.isnan(self._unheard_s):
            with self._change:
                outlet = self._outlet
                ready_s = outlet.ready_s + outlet.latency_s if outlet is not None else self._settings.ahead_s
            waited_s = now_s - self._unheard_s
            self._observation.frame_to_ear_s = waited_s + ready_s + LATENCY_FRAMES / SAMPLE_RATE_HZ
            self._unheard_s = math.nan
        if self._settings.record is not None:
            self._steps.append((played.frame, played.quantum, time.time()))
            self._wake.set()

    def _tell_companion(self, deck: Deck, quantum: int, scores: list[tuple[Score, int]]) -> None:
        if self.companion is not None:
            with self._change:
                sounds_at_s = self._pacer.sounds_at_s(self._outlet, time.monotonic())
            sounds_at_s += LATENCY_FRAMES / SAMPLE_RATE_HZ
            self.companion.play(Block(deck.mapper, quantum, tuple(scores), sounds_at_s, self.controls.knobs))

    # -- keeper ----------------------------------------------------------------------------------------------------

    def _keep(self) -> None:
        self._warm_up()
        while not self._player.has_ended:
            self._wake.wait(_KEEPER_WAIT_S)
            self._wake.clear()
            now_s = time.monotonic()
            if self._following.error is not None:
                raise self._following.error
            self._keep_card(now_s)
            if now_s - self._started_s >= self._settings.duration_s:
                self.end()
            if self._choice.poll(self.controls.knobs.preset_steps, now_s):
                self._deck_wanted.set()
            self._reconsider_voices(now_s)
            if self._deck_wanted.is_set():
                self._build_deck()
            self._write_steps()
        if self._keeper is not None:
            self._drain()
            self._keeper.close(_END_TIMEOUT_S)
        self._write_steps()
        if self._recording is not None:
            self._recording.close(self._player.quantum)

    def _warm_up(self) -> None:
        """Load everything while card and sources are still opening; then leave it out of garbage collections."""
        if self._keeper is not None:
            self._keeper.poll(time.monotonic())
        self.prepare()
        gc.collect()
        gc.freeze()

    def _keep_card(self, now_s: float) -> None:
        if self._keeper is None:
            return
        self._keeper.poll(now_s)
        is_hopeless = self._keeper.problem and not self._keeper.has_played and not self._keeper.is_opening
        if self._settings.needs_card and is_hopeless:
            raise DeviceError(self._keeper.problem)

    def _drain(self) -> None:
        """Wait until the card has taken the last fade."""
        until_s = time.monotonic() + _END_TIMEOUT_S
        while self._outlet is not None and self._outlet.card.num_ready > 0 and time.monotonic() < until_s:
            time.sleep(0.005)

    def _build_deck(self) -> None:
        self._deck_wanted.clear()
        recent = list(self._recent)
        if recent:
            samples = [frame for frame in recent if frame.layout.same_as(recent[-1].layout)]
            try:
                self._deck_ready = Deck(self._choice.preset, samples, seed=self._settings.seed, speed=self._speed)
            except SonifyError as error:
                if self._player.deck is None:
                    raise
                self._choice.problem = str(error)

    def _reconsider_voices(self, now_s: float) -> None:
        """Where there are more backends than voices: one without its own that went bad gets one."""
        deck, recent = self._player.deck, list(self._recent)
        if now_s - self._considered_s < _RECONSIDER_S or deck is None or len(deck.kept) == deck.layout.num_backends:
            return
        self._considered_s = now_s
        samples = [frame for frame in recent if frame.layout.same_as(deck.layout)]
        if samples:
            new = [index for index in choose_kept(deck.preset, samples) if index not in deck.kept]
            states = deck.preset.limits["latency_p95"].states(samples[-1].latency_quantile_s(0.95))
            errors = deck.preset.limits["error_ratio"].states(samples[-1].error_ratio)
            if any(max(states[index], errors[index]) == State.RED for index in new):
                self._deck_wanted.set()

    def _write_steps(self) -> None:
        while self._steps and self._settings.record is not None:
            frame, quantum, begun_s = self._steps.popleft()
            if self._recording is None:
                files = RecordingFiles(
                    self._settings.record, source="sonify listen", say=self._following.notices.append
                )
                epoch_s = begun_s - quantum * 0.01
                self._recording = PlayedRecording(files, epoch_s=epoch_s, speed=self._speed)
            self._recording.begin_step(frame, quantum)

    def _attach(self, outlet: Outlet) -> None:
        """Let a card join: it begins with what was rendered for the moments to come."""
        with self._change:
            outlet.write(self._history.newest(min(self._pacer.ready_frames(time.monotonic()), _HISTORY_FRAMES)))
            self._outlet = outlet
        outlet.card.start()

    def _detach(self, outlet: Outlet) -> None:
        with self._change:
            self._pacer.lose(outlet, time.monotonic())
            self._outlet = None

    # -- both ------------------------------------------------------------------------------------------------------

    def _guarded(self, work: Callable[[], None]) -> None:
        """Run a thread; what goes wrong in it ends the session, with a reason."""
        try:
            work()
        except SonifyError as error:
            self.error = self.error or error
        except Exception as error:
            self.error = self.error or SonifyError(f"internal error: {type(error).__name__}: {error}")
            raise
        finally:
            if self.error is not None or work == self._keep:
                self._ending.set()
                self._stop_reading.set()
                self._stopped.set()

    def _observe(self, now_s: float) -> Snapshot:
        knobs, deck, outlet, keeper = self.controls.knobs, self._player.deck, self._outlet, self._keeper
        frame = deck.frame if deck is not None else _BLANK
        levels = deck.take_levels() if deck is not None else np.zeros(1, np.float32)
        limits = self._choice.preset.limits["latency_p95"]
        return Snapshot(
            time_s=time.time(),
            frame=frame,
            panel_states=deck.limits.states if deck is not None else {},
            backend_states=tuple(State(int(state)) for state in limits.states(frame.latency_quantile_s(0.95))),
            unacknowledged=deck.limits.unacknowledged if deck is not None else (),
            backend_level_db=20.0 * np.log10(np.maximum(levels.astype(np.float64), 1e-6)),
            audio=self._history.newest(_SHOWN_FRAMES),
            true_peak_dbtp=self._meter.true_peak_dbtp(),
            gain_reduction_db=deck.gain_reduction_db if deck is not None else 0.0,
            preset=self._choice.preset.name,
            preset_problem=self._choice.problem,
            is_muted=knobs.is_muted,
            trim_db=knobs.trim_db,
            soloed=knobs.soloed,
            muted=knobs.muted,
            eq_amount=knobs.eq,
            compressor_amount=knobs.compressor,
            reverb_amount=knobs.reverb,
            device=keeper.name if keeper is not None else "",
            device_problem=keeper.problem if keeper is not None else "",
            underruns=keeper.underruns if keeper is not None else 0,
            callback_age_s=keeper.callback_age_s if keeper is not None else math.nan,
            ring_s=outlet.ready_s if outlet is not None else 0.0,
            frame_to_ear_s=self._observation.frame_to_ear_s,
            render_load_ratio=self._observation.render_load_ratio,
            cpu_ratio=self._observation.cpu_ratio(),
            sources=self._following.statuses(now_s),
            notices=tuple(self._following.notices),
        )


def _held(frame: MetricFrame, *, is_stale: bool) -> MetricFrame:
    """Make the frame that a new deck begins with: the newest one, whose glitches have been heard."""
    if is_stale:
        return MetricFrame.unmeasured(frame.layout, frame.t)
    return replace(frame, glitch_rate=np.where(np.isnan(frame.glitch_rate), np.nan, 0.0))
