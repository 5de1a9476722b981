"""Findings: what was not well, where, since when, how far over the limit, how sure, and what to do."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from statistics import median

import numpy as np

from sonify.diagnosis.advice import ADVICE
from sonify.diagnosis.episodes import Episode, find_episodes
from sonify.diagnosis.signs import read_signs
from sonify.metrics.panels import Limits
from sonify.metrics.recording import GAP_INTERVALS, Recording
from sonify.units import clock, format_duration

__all__ = ["Finding", "diagnose", "incidents", "not_measured"]

GRADES = ("unusual", "yellow", "red")  # in order of badness
STALE = "stale"
_STANDING_SHARE = 0.9  # of the whole recording: a condition that stands, and is said once
_FLAPS = 3  # so many episodes with short pauses are one finding that flaps
_FLAP_PAUSE = 3.0  # pauses up to this many times the usual episode count as short
_JOIN_FRAMES = 6  # episodes closer than this are one


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that a person should know.

    Attributes
    ----------
    panel : str
        Name of the panel; ``traffic`` for traffic that broke off, ``source`` for metrics that were lost.
    backend : str
        Whose; empty where the whole service is meant. Untrusted text.
    state : str
        ``red``, ``yellow``, ``unusual`` (no limit passed, but far from its own normal), or ``stale``.
    since_s, until_s : float
        Unix s.
    ongoing : bool
        Whether it still stood when the recording ended.
    times : int
        How often it came and went in that time.
    standing : bool
        Whether it stood for nearly the whole recording: then the limit may not suit the system.
    worst, limit : float
        Most extreme value, and the limit that it is compared with, in the panel's unit; NaN for ``source``.
    confidence : float
        0–1: one minus the chance that it is accident.
    action : str
        What to do.
    """

    panel: str
    backend: str
    state: str
    since_s: float
    until_s: float
    ongoing: bool
    times: int
    standing: bool
    worst: float
    limit: float
    confidence: float
    action: str

    @property
    def ratio(self) -> float:
        """How far over the limit: value against limit, over 1; NaN where there is none."""
        if not self.limit > 0.0:
            return math.nan
        return self.limit / max(self.worst, 1e-9) if self.panel == "traffic" else self.worst / self.limit

    @property
    def sentence(self) -> str:
        """The finding in words, without its action."""
        advice = ADVICE[self.panel]
        who = f"{self.backend}: " if self.backend else ""
        length = format_duration(max(self.until_s - self.since_s, 0.0))
        span = f"since {clock(self.since_s)} ({length})" if self.ongoing else f"from {clock(self.since_s)} for {length}"
        if self.panel == "source":
            return f"metrics lost {span}"
        often = f", {self.times} times" if self.times > 1 else ""
        if self.standing:
            span = f"all the time ({length}): does the limit suit this system?"
        value, limit = _shown(self.worst, advice.unit), _shown(self.limit, advice.unit)
        if self.panel == "traffic":
            return f"{who}traffic broke off, down to {value} {span}{often}"
        if self.state == "unusual":
            return f"{who}{advice.noun} up to {value}, unusual (over {limit}) {span}{often}"
        return f"{who}{advice.noun} {self.state}, up to {value} (limit {limit}) {span}{often}"


def _shown(value: float, unit: str) -> str:
    if unit == "%":
        return f"{100.0 * value:.3g} %"
    if unit == "s":
        return f"{value * 1000.0:.3g} ms" if value < 0.9995 else f"{value:.3g} s"
    return f"{value:.3g} {unit}".rstrip()


def diagnose(recording: Recording, limits: Mapping[str, Limits]) -> list[Finding]:
    """Find what was not well in a recording.

    Each panel of each backend is reported once for each stretch: worst grade, whole span. Few requests prove nothing,
    a limit that is touched is not passed, and what stands all the time is said once.

    Parameters
    ----------
    recording : Recording
        At least one frame.
    limits : mapping of str to Limits
        By panel.

    Returns
    -------
    list of Finding
        Worst first, then by time.
    """
    by_place: dict[tuple[str, str], list[Episode]] = {}
    for sign in read_signs(recording, limits):
        by_place.setdefault((sign.panel, sign.backend), []).extend(find_episodes(sign))
    findings = []
    for episodes in by_place.values():
        for apart in _standing_apart(episodes, len(recording)):
            findings += [_finding(recording, group) for group in _flapping(_joined(apart))]
    findings += _stale(recording)
    rank = {STALE: 3, **{grade: place for place, grade in enumerate(GRADES)}}
    return sorted(findings, key=lambda one: (-rank[one.state], one.since_s, one.panel, one.backend))


def incidents(findings: Iterable[Finding]) -> list[list[Finding]]:
    """Group findings that overlap in time, each group in order of time: what began first may be the cause.

    What stands all the time, and what flaps, is a group by itself, after the others.
    """
    groups: list[list[Finding]] = []
    lasting = [one for one in findings if one.standing or one.times > 1]
    end_s = -math.inf
    for one in sorted((one for one in findings if one not in lasting), key=lambda one: (one.since_s, not one.backend)):
        if one.since_s > end_s:
            groups.append([])
        groups[-1].append(one)
        end_s = max(end_s, one.until_s)
    return [*groups, *([one] for one in lasting)]


def not_measured(recording: Recording) -> list[str]:
    """Panels that have no data at all, by name; nothing can be said of them."""
    columns = {
        "request_rate": recording.request_rate,
        "error_ratio": recording.error_ratio,
        "latency_p95": recording.latency_rate,
        "fallback_ratio": recording.fallback_ratio,
        "glitch_rate": recording.glitch_rate,
        "queue_depth": recording.queue_depth,
        "active_requests": recording.active_requests,
        "batch_size": recording.batch_rate,
    }
    return [panel for panel, column in columns.items() if not np.isfinite(column).any()]


def _stands(first: int, last: int, num_frames: int) -> bool:
    return num_frames >= 2 * _JOIN_FRAMES and last - first + 1 >= _STANDING_SHARE * num_frames


def _standing_apart(episodes: list[Episode], num_frames: int) -> Iterator[list[Episode]]:
    """Keep the grades that are passed all the time by themselves: else nobody would hear of what is worse at times."""
    standing: list[Episode] = []
    rest: list[Episode] = []
    for grade in GRADES:
        graded = [one for one in episodes if one.grade == grade]
        spans = ((group[0].first, max(one.last for one in group)) for group in _joined(graded))
        (standing if any(_stands(first, last, num_frames) for first, last in spans) else rest).extend(graded)
    yield standing
    yield rest


def _joined(episodes: list[Episode]) -> Iterator[list[Episode]]:
    """Group the episodes of one panel of one backend, of all grades, that overlap or nearly touch."""
    group: list[Episode] = []
    end = -_JOIN_FRAMES - 1
    for episode in sorted(episodes, key=lambda one: one.first):
        if group and episode.first > end + _JOIN_FRAMES:
            yield group
            group = []
        group.append(episode)
        end = max(end, episode.last) if len(group) > 1 else episode.last
    if group:
        yield group


def _flapping(groups: Iterable[list[Episode]]) -> Iterator[list[list[Episode]]]:
    """Put groups together that come and go again and again with short pauses."""
    waiting: list[list[Episode]] = []

    def usual_length(of: list[list[Episode]]) -> float:
        return median(max(one.last for one in group) - min(one.first for one in group) + 1 for group in of)

    def settled() -> Iterator[list[list[Episode]]]:
        if len(waiting) >= _FLAPS:
            yield list(waiting)
        else:
            yield from ([group] for group in waiting)

    for group in groups:
        first = min(one.first for one in group)
        if waiting:
            pause = first - max(one.last for one in waiting[-1]) - 1
            if pause > _FLAP_PAUSE * usual_length([*waiting, group]):
                yield from settled()
                waiting = []
        waiting.append(group)
    if waiting:
        yield from settled()


def _finding(recording: Recording, groups: list[list[Episode]]) -> Finding:
    episodes = [episode for group in groups for episode in group]
    state = max((episode.grade for episode in episodes), key=GRADES.index)
    graded = [episode for episode in episodes if episode.grade == state]
    panel = episodes[0].panel
    worst = (min if panel == "traffic" else max)(graded, key=lambda one: one.worst)
    first, last = min(one.first for one in episodes), max(one.last for one in episodes)
    frame_s = recording.layout.interval_s
    over = sum(max(one.last for one in group) - min(one.first for one in group) + 1 for group in groups)
    return Finding(
        panel=panel,
        backend=episodes[0].backend,
        state=state,
        since_s=float(recording.t[first]) - frame_s,
        until_s=float(recording.t[last]),
        ongoing=last >= len(recording) - 1,
        times=len(groups),
        standing=_stands(1, over, len(recording)),
        worst=worst.worst,
        limit=worst.limit,
        confidence=1.0 - min(one.chance for one in graded),
        action=ADVICE[panel].action,
    )


def _stale(recording: Recording) -> Iterator[Finding]:
    """Stretches without data: frames that are not fresh, and gaps between frames; one lost frame is no finding."""
    frame_s = recording.layout.interval_s
    spans: list[list[float]] = []
    previous_s = recording.start_s
    for t, fresh in zip(recording.t, recording.fresh, strict=True):
        begin_s = float(t) - frame_s
        lost = [(previous_s, begin_s)] if t - previous_s > GAP_INTERVALS * frame_s else []
        lost += [] if fresh else [(begin_s, float(t))]
        for span in lost:
            if spans and span[0] <= spans[-1][1] + 1e-6:
                spans[-1][1] = span[1]
            else:
                spans.append(list(span))
        previous_s = float(t)
    for since_s, until_s in spans:
        if until_s - since_s > GAP_INTERVALS * frame_s:
            yield Finding(
                "source", "", STALE, since_s, until_s, until_s >= recording.end_s, 1, False,
                math.nan, math.nan, 1.0, ADVICE["source"].action,
            )  # fmt: skip
