"""The plain view: one line a second without any escape code, for pipes, logs and screen readers; or JSON lines.

The columns never move: time, state, totals, then after bars the backends that are not green, and the sources.
"""

from __future__ import annotations

import json
import math
import time
from collections.abc import Callable
from datetime import UTC, datetime

from sonify.metrics.panels import State
from sonify.runner.snapshot import Snapshot, SourceStatus
from sonify.views.live_view import LiveView
from sonify.views.summary import Condition, Summary, condition, summarise
from sonify.views.wording import PANEL_WORDS, STATE_WORDS, age, clean, clock, count, latency, percent, rate

__all__ = ["Changes", "json_line", "plain_line", "run_plain"]

_LINE_EVERY_S = 1.0
_LOOK_EVERY_S = 0.1  # for the end, so that it is noticed at once
_MOST_NAME_CHARACTERS = 60


def run_plain(
    live: LiveView,
    write: Callable[[str], object],
    *,
    as_json: bool = False,
    clock_s: Callable[[], float] = time.monotonic,
    sleep: Callable[[float], object] = time.sleep,
) -> None:
    """Write a line a second until the engine ends.

    Parameters
    ----------
    live : LiveView
        The engine.
    write : callable
        Takes one line without its line feed.
    as_json : bool
        One JSON object a line instead of text; what is not measured is null.
    clock_s, sleep : callable
        Seconds that never fall, and how to wait.
    """
    changes = Changes()
    due_s = clock_s()
    while live.is_running:
        snapshot = live.snapshot()
        summary = summarise(snapshot.frame)
        now = condition(snapshot, summary)
        if as_json:
            write(json_line(snapshot, summary, now))
        else:
            for line in changes.lines(snapshot, now):
                write(line)
            write(plain_line(snapshot, summary, now))
        due_s = max(due_s + _LINE_EVERY_S, clock_s())
        while live.is_running and (left_s := due_s - clock_s()) > 0.0:
            sleep(min(left_s, _LOOK_EVERY_S))


def _name(text: str) -> str:
    cleaned = clean(text)
    return cleaned if len(cleaned) <= _MOST_NAME_CHARACTERS else cleaned[: _MOST_NAME_CHARACTERS - 1] + "…"


def plain_line(snapshot: Snapshot, summary: Summary, now: Condition) -> str:
    """Write one line: time, state, totals; backends that are not green; sources; what else one must know."""
    per_second = f"{rate(summary.request_rate)} req/s"
    columns = (
        f"{clock(snapshot.time_s)} {now.word:12} {per_second:>11} p95 {latency(summary.p95_s):>7}"
        f" errors {percent(summary.error_ratio):>6} fallbacks {percent(summary.fallback_ratio):>6}"
        f" queue {count(summary.queue_depth):>5} active {count(summary.active_requests):>5}"
    )
    parts = [columns]
    p95_s = snapshot.frame.latency_quantile_s(0.95)
    for index, state in enumerate(snapshot.backend_states):
        if state > State.GREEN:
            name = _name(snapshot.frame.layout.backends[index])
            parts.append(f"{name} {STATE_WORDS[state]} p95 {latency(float(p95_s[index]))}")
    parts += [_source_words(source) for source in snapshot.sources]
    if snapshot.underruns:
        parts.append(f"underruns {snapshot.underruns}")
    if snapshot.is_muted:
        parts.append("muted")
    if snapshot.device_problem:
        parts.append("no sound card")
    return " | ".join(parts)


def _source_words(source: SourceStatus) -> str:
    lag = f"{age(source.lag_s)} behind" if math.isfinite(source.lag_s) else "no data yet"
    return f"{_name(source.title)} {'stale, ' if source.is_stale else ''}{lag}"


class Changes:
    """Remembers how it was, to say in words what became different."""

    def __init__(self) -> None:
        self._states: dict[str, State] = {}
        self._stale: dict[str, bool] = {}
        self._problems: dict[str, str] = {}
        self._notice = ""
        self._word = ""

    def lines(self, snapshot: Snapshot, now: Condition) -> list[str]:
        """One line for each change since the snapshot before; none for the first look at what is well."""
        said = []
        if now.word != self._word:
            if self._word or now.word not in ("green", "not measured"):
                said.append(f"it is {now.word} now")
            self._word = now.word
        said += self._panel_changes(snapshot)
        said += self._source_changes(snapshot)
        for what, problem in (("sound card", snapshot.device_problem), ("preset", snapshot.preset_problem)):
            if problem != self._problems.get(what, ""):
                said.append(f"{what}: {clean(problem)}" if problem else f"{what}: well again")
                self._problems[what] = problem
        if snapshot.notices and snapshot.notices[-1] != self._notice:
            self._notice = snapshot.notices[-1]
            said.append(clean(self._notice))
        return [f"{clock(snapshot.time_s)} {line}" for line in said]

    def _panel_changes(self, snapshot: Snapshot) -> list[str]:
        states = {f"{PANEL_WORDS.get(panel, panel)}": state for panel, state in snapshot.panel_states.items()}
        names = snapshot.frame.layout.backends
        states |= {f"{_name(name)} latency": s for name, s in zip(names, snapshot.backend_states, strict=False)}
        said = []
        for what, state in states.items():
            before = self._states.get(what, State.UNKNOWN)
            if state is State.UNKNOWN:
                continue  # said once for all, as stale
            if state != before and (before is not State.UNKNOWN or state > State.GREEN):
                said.append(f"{what}: {STATE_WORDS[state]}")
            self._states[what] = state
        return said

    def _source_changes(self, snapshot: Snapshot) -> list[str]:
        said = []
        for source in snapshot.sources:
            if source.is_stale != self._stale.get(source.title, False):
                problem = f": {clean(source.problem)}" if source.is_stale and source.problem else ""
                said.append(f"{_name(source.title)} {'is stale' if source.is_stale else 'is back'}{problem}")
            self._stale[source.title] = source.is_stale
        return said


def _number(value: float) -> float | None:
    return float(value) if math.isfinite(value) else None


def json_line(snapshot: Snapshot, summary: Summary, now: Condition) -> str:
    """Write the snapshot as one JSON object; what is not measured is null, and so is minus infinity."""
    frame = snapshot.frame
    p50_s, p95_s = frame.latency_quantile_s(0.5), frame.latency_quantile_s(0.95)
    backends = [
        {
            "name": name,
            "state": STATE_WORDS[snapshot.backend_states[index]] if index < len(snapshot.backend_states) else None,
            "request_rate": _number(frame.request_rate[index]),
            "p50_s": _number(p50_s[index]),
            "p95_s": _number(p95_s[index]),
            "error_ratio": _number(frame.error_ratio[index]),
            "fallback_ratio": _number(frame.fallback_ratio[index]),
            "glitch_rate": _number(frame.glitch_rate[index]),
            "is_soloed": name in snapshot.soloed,
            "is_muted": name in snapshot.muted,
        }
        for index, name in enumerate(frame.layout.backends)
    ]
    sources = [
        {
            "title": source.title,
            "is_stale": source.is_stale,
            "lag_s": _number(source.lag_s),
            "problem": source.problem,
            "panel_age_s": {panel: _number(age_s) for panel, age_s in source.panel_age_s.items()},
        }
        for source in snapshot.sources
    ]
    line = {
        "time": datetime.fromtimestamp(snapshot.time_s, UTC).isoformat(timespec="milliseconds"),
        "state": now.word,
        "fresh": frame.fresh,
        **{name: _number(getattr(summary, name)) for name in Summary.__dataclass_fields__},
        "panels": {panel: STATE_WORDS[state] for panel, state in snapshot.panel_states.items()},
        "unacknowledged": list(snapshot.unacknowledged),
        "backends": backends,
        "sources": sources,
        "preset": snapshot.preset,
        "preset_problem": snapshot.preset_problem,
        "is_muted": snapshot.is_muted,
        "trim_db": _number(snapshot.trim_db),
        "device": snapshot.device,
        "device_problem": snapshot.device_problem,
        "true_peak_dbtp": _number(snapshot.true_peak_dbtp),
        "gain_reduction_db": _number(snapshot.gain_reduction_db),
        "underruns": snapshot.underruns,
        "callback_age_s": _number(snapshot.callback_age_s),
        "ring_s": _number(snapshot.ring_s),
        "frame_to_ear_s": _number(snapshot.frame_to_ear_s),
        "render_load_ratio": _number(snapshot.render_load_ratio),
        "cpu_ratio": _number(snapshot.cpu_ratio),
    }
    return json.dumps(line, allow_nan=False)
