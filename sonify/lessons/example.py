"""An example service for a preset: healthy in all panels, and ready to be changed in one of them.

All values come from the preset: its limits, its latency bands, its baseline and the backends that it names.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sonify.mapping.preset import SoundPreset
from sonify.metrics.bands import quantile_s
from sonify.metrics.frame import Layout, MetricFrame
from sonify.metrics.panels import PANELS, Limits, State

__all__ = [
    "GAUGES",
    "PANEL_WORDS",
    "Example",
    "backend_names",
    "make_example",
    "state_of",
    "value_in",
]

Array = NDArray[np.float64]

PANEL_WORDS = {  # each panel in a word, for people
    "request_rate": "traffic",
    "latency_p95": "latency",
    "fallback_ratio": "fallbacks",
    "error_ratio": "errors",
    "glitch_rate": "glitches",
    "queue_depth": "queue",
    "active_requests": "active requests",
}
GAUGES = ("queue_depth", "active_requests")  # of the whole service, not of a backend

_USUAL_NAMES = ("rust", "ts", "go", "csharp", "sql", "julia")  # where the preset names no backends
_BATCH_EDGES = (1.0, 4.0, 16.0, math.inf)
_RATIOS = ("error_ratio", "fallback_ratio")

_LONGEST_BAR_S, _LONGEST_PERIOD_S = 2.0, 4.0  # in a lesson nobody waits longer

_NORMAL_SHARE = 0.4  # normal traffic, as a share of the yellow limit: green under any hysteresis
_MEDIAN_SHARE, _P95_SHARE = 1 / 8, 1 / 3  # normal latencies, as a share of the yellow limit
_SIGMAS_TO_P95 = 1.645
_OVER_RED = 3.0
_TAIL_LEAST, _TAIL_MOST = 0.06, 0.9  # share of the requests in the band that holds the p95


@dataclass(frozen=True, slots=True, eq=False)
class Example:
    """A service in its normal state.

    Attributes
    ----------
    preset : SoundPreset
        Whose limits and bands it has.
    healthy : MetricFrame
        Every panel as it normally is.
    """

    preset: SoundPreset
    healthy: MetricFrame

    @property
    def played(self) -> SoundPreset:
        """The preset with short waits, for the engine; all it plays sounds the same.

        An alarm calls as its limit is crossed, and once; drums, ticks and the motif of a lost source come every few
        seconds.
        """
        preset = self.preset
        arrangement, freshness = preset.arrangement, preset.freshness
        return replace(
            preset,
            alarms=replace(preset.alarms, repeat=0.0, repeats=0),
            arrangement=replace(arrangement, bar=min(arrangement.bar, _LONGEST_BAR_S)),
            freshness=replace(
                freshness,
                pilot_period=min(freshness.pilot_period, _LONGEST_PERIOD_S),
                stale_period=min(freshness.stale_period, _LONGEST_PERIOD_S),
            ),
        )

    @property
    def backends(self) -> tuple[str, ...]:
        """Names, in order."""
        return self.healthy.layout.backends

    def no_traffic(self) -> MetricFrame:
        """Return a frame of true zeros; ratios of nothing are not measured."""
        none = np.zeros(len(self.backends))
        return replace(
            self.healthy,
            request_rate=none,
            latency_rate=np.zeros_like(self.healthy.latency_rate),
            error_ratio=none * np.nan,
            fallback_ratio=none * np.nan,
            active_requests=0.0,
        )

    def stale(self) -> MetricFrame:
        """Return a frame of a source that is lost."""
        return MetricFrame.unmeasured(self.healthy.layout, self.healthy.t)

    def only(self, backend: int, share: float) -> MetricFrame:
        """Return a frame in which one backend alone has traffic, `share` times its normal."""
        frame = self.no_traffic()
        frame.request_rate[backend] = share * self.healthy.request_rate[backend]
        frame.latency_rate[backend] = share * self.healthy.latency_rate[backend]
        return frame

    def batches(self, band: int) -> MetricFrame:
        """Return a healthy frame that works in batches of one size band, one batch a request."""
        batch_rate = np.zeros(self.healthy.layout.num_batch_bands)
        batch_rate[band] = self.healthy.request_rate.sum()
        return replace(self.healthy, batch_rate=batch_rate)

    def with_panel(
        self, panel: str, value: float, backend: int | None = None, *, even_level: bool = False
    ) -> MetricFrame:
        """Return the healthy frame with one panel changed.

        Parameters
        ----------
        panel : str
            A name of `PANELS`.
        value : float
            In the panel's unit; ratios and latencies are brought into their range.
        backend : int or None
            Which one changes; None: all. The gauges belong to the whole service.
        even_level : bool
            For latency: as much less traffic as it takes to be as loud as normal, so that nothing but pitch changes.
        """
        if panel in GAUGES:
            return _replaced(self.healthy, panel, float(value))
        rows = slice(None) if backend is None else slice(backend, backend + 1)
        if panel == "latency_p95":
            return self._with_latency(value, rows, even_level=even_level)
        column = getattr(self.healthy, panel).copy()
        column[rows] = min(value, 1.0) if panel in _RATIOS else value
        if panel != "request_rate":
            return _replaced(self.healthy, panel, column)
        growth = column / np.where(self.healthy.request_rate > 0.0, self.healthy.request_rate, 1.0)
        return replace(self.healthy, request_rate=column, latency_rate=self.healthy.latency_rate * growth[:, None])

    def _with_latency(self, p95_s: float, rows: slice, *, even_level: bool) -> MetricFrame:
        edges_s = self.healthy.layout.latency_edges_s
        level = self.preset.level
        request_rate, latency_rate = self.healthy.request_rate.copy(), self.healthy.latency_rate.copy()
        for row in range(*rows.indices(len(request_rate))):
            if even_level:
                decades = math.log10(p95_s / float(quantile_s(self.healthy.latency_rate[row], edges_s, 0.95)))
                request_rate[row] *= min(10.0 ** (-level.latency_tilt / level.rate_slope * decades), 1.0)
            latency_rate[row] = request_rate[row] * _shares_with_p95(p95_s, self.preset)
        return replace(self.healthy, request_rate=request_rate, latency_rate=latency_rate)


def backend_names(preset: SoundPreset, count: int) -> tuple[str, ...]:
    """Names for `count` backends: those that the preset's baseline and filters name, else the usual ones.

    More, where the filters name more; fewer, where the baseline knows fewer or there are fewer voices.
    """
    needed = [eq.backend for eq in preset.eq if eq.backend]
    needed += [preset.compressor.sidechain] if preset.compressor.sidechain else []
    known = list(dict.fromkeys([*(preset.baseline or {}), *needed, *(() if preset.baseline else _USUAL_NAMES)]))
    kept = set(needed)
    for name in known:
        if len(kept) < min(count, preset.arrangement.voices):
            kept.add(name)
    return tuple(name for name in known if name in kept)


def make_example(preset: SoundPreset, num_backends: int) -> Example:
    """Make the example service of a preset, with about so many backends (see `backend_names`)."""
    names = backend_names(preset, num_backends)
    layout = Layout(1.0, names, preset.bands.latency_bands.edges_s, np.asarray(_BATCH_EDGES))
    usual = _normal_rate(preset.limits["request_rate"]) * _normal_shares(preset)
    baseline = preset.baseline or {}
    latency_rate = np.array([baseline[name] if any(baseline.get(name, ())) else usual for name in names])
    in_flight = float((latency_rate * preset.bands.latency_bands.centres_s).sum())  # Little's law
    none = np.zeros(len(names))
    healthy = MetricFrame(
        layout=layout,
        t=0.0,
        request_rate=latency_rate.sum(axis=1),
        error_ratio=none,
        fallback_ratio=none,
        glitch_rate=none,
        latency_rate=latency_rate,
        batch_rate=np.zeros(layout.num_batch_bands),
        queue_depth=0.0,
        active_requests=min(in_flight, _NORMAL_SHARE * preset.limits["active_requests"].yellow),
        fresh=True,
    )
    return Example(preset, healthy)


def value_in(limits: Limits, state: State) -> float:
    """Return a value well inside a state, where the limits leave room for it."""
    if state == State.GREEN:
        return _NORMAL_SHARE * limits.yellow
    if state == State.YELLOW:
        return math.sqrt(limits.yellow * limits.red) if limits.yellow > 0.0 else limits.red / 2
    return _OVER_RED * limits.red if limits.red > 0.0 else 1.0


def state_of(preset: SoundPreset, panel: str, frame: MetricFrame) -> State:
    """State of a panel, the worst over all backends."""
    assert any(panel == known.name for known in PANELS)
    values = frame.latency_quantile_s(0.95) if panel == "latency_p95" else getattr(frame, panel)
    return State(int(np.max(preset.limits[panel].states(values))))


def _replaced(frame: MetricFrame, column: str, values: Any) -> MetricFrame:
    return replace(frame, **{column: values})


def _normal_rate(limits: Limits) -> float:
    return _NORMAL_SHARE * (limits.yellow or limits.red or 1.0)


def _normal_shares(preset: SoundPreset) -> Array:
    """Share of the requests in each latency band: log-normal, well under the yellow limit."""
    bands = preset.bands
    yellow_s = preset.limits["latency_p95"].yellow
    middle_s = math.sqrt(bands.low * bands.high)
    median_s = min(max(_MEDIAN_SHARE * yellow_s if yellow_s > 0.0 else middle_s, bands.low), bands.high)
    sigma = math.log(_P95_SHARE / _MEDIAN_SHARE) / _SIGMAS_TO_P95
    inner = np.log(bands.latency_bands.nominal_edges_s[1:-1] / median_s) / (sigma * math.sqrt(2.0))
    below = np.array([0.0, *(0.5 + 0.5 * math.erf(edge) for edge in inner), 1.0])
    shares = np.diff(below)
    shares[shares < 1e-3] = 0.0  # a service has no requests in far bands, not a millionth of one
    return np.asarray(shares / shares.sum())


def _shares_with_p95(p95_s: float, preset: SoundPreset) -> Array:
    """Share of the requests in each latency band, such that the p95 is as wanted: in its band, and the one below."""
    nominal_s = preset.bands.latency_bands.nominal_edges_s
    wanted_s = min(max(p95_s, nominal_s[0]), nominal_s[-1])
    band = min(int(np.searchsorted(nominal_s, wanted_s, side="right")) - 1, len(nominal_s) - 2)
    place = math.log(wanted_s / nominal_s[band]) / math.log(nominal_s[band + 1] / nominal_s[band])
    tail = 1.0 if band == 0 else min(max(0.05 / max(1.0 - place, 1e-9), _TAIL_LEAST), _TAIL_MOST)
    shares = np.zeros(len(nominal_s) - 1)
    shares[band] = tail
    shares[band - 1] += 1.0 - tail
    return shares
