"""A Prometheus server, or anything that speaks its HTTP API, as a source: ranges of time, and live."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator
from threading import Event
from typing import Any

import httpx
import numpy as np

from sonify.errors import ReaderError
from sonify.metrics.bands import LatencyBands
from sonify.metrics.recording import Recording
from sonify.readers.http_options import HttpOptions
from sonify.readers.prometheus_api import PrometheusApi
from sonify.readers.prometheus_follow import Follower
from sonify.readers.prometheus_range import MAX_BACKENDS, SPEC_PREFIX, RangeReader, iso
from sonify.readers.signals import Signals, load_signals
from sonify.readers.source import Update

__all__ = ["MAX_BACKENDS", "PrometheusSource", "open_prometheus", "open_prometheus_source"]

DEFAULT_SPAN_S = 3600.0
RECENT_S = 300.0  # what the server says of its targets now holds for a range that ends this recently


class PrometheusSource:
    """Reads the panels of a signals preset through PromQL: one small aggregated query per panel.

    Parameters
    ----------
    url : str
        See `PrometheusApi`.
    signals : Signals or None
        Which metrics make which panel; None lets the names that the server has choose.
    step_s : float, optional
        Time between the frames of a range; by default `choose_step_s`.
    interval_s, window_s : float, optional
        Time between frames when it is followed, by default the scrape interval, at least 1 s; what rates are taken
        over, by default 4 scrape intervals.
    options : HttpOptions, optional
        Credentials, certificates, time-out and retries.
    bands : LatencyBands
        What latencies are put onto.
    transport, now : optional
        Instead of the network and the clock, for tests.

    Attributes
    ----------
    title : str
        For a person.
    warnings : list of str
        What the last `read` could not be sure of, and what the server warned of.

    Raises
    ------
    ReaderError
        The URL, an option or the step cannot be used.
    """

    def __init__(
        self,
        url: str,
        signals: Signals | None,
        *,
        step_s: float | None = None,
        interval_s: float | None = None,
        window_s: float | None = None,
        options: HttpOptions | None = None,
        bands: LatencyBands | None = None,
        transport: httpx.BaseTransport | None = None,
        now: Callable[[], float] = time.time,
    ) -> None:
        self._url = url
        self._options = options or HttpOptions()
        self._transport = transport
        api = self._api()
        for name, value_s in (("step", step_s), ("interval", interval_s), ("window", window_s)):
            if value_s is not None and not 0.001 <= value_s < math.inf:
                raise ReaderError(f"{api.url}: a {name} of {value_s} s is not allowed; it must be at least 0.001 s")
        self._signals = signals
        self._step_s = step_s
        self._interval_s = interval_s
        self._window_s = window_s
        self._edges_s = (bands or LatencyBands()).edges_s
        self._now = now
        self.title = f"Prometheus {api.host_port}"
        self.warnings: list[str] = []

    def _api(self, **keywords: Any) -> PrometheusApi:
        return PrometheusApi(self._url, self._options, transport=self._transport, **keywords)

    def read(self, since_s: float | None, until_s: float | None) -> Recording:
        """Read a range; see `Source`. By default the last hour.

        Raises
        ------
        ReaderError
            The server cannot be reached or understood, or has no data: the message says what was looked for.
        """
        self.warnings = []
        now_s = self._now()
        end_s = now_s if until_s is None else until_s
        start_s = end_s - DEFAULT_SPAN_S if since_s is None else since_s
        with self._api() as api:
            if not start_s < end_s:
                raise ReaderError(f"{api.url}: the range is empty: it begins at {iso(start_s)}, ends at {iso(end_s)}")
            reader = RangeReader(api, self._signals, self._edges_s, step_s=self._step_s, window_s=self._window_s)
            api.recognise()
            recording = reader.read(start_s, end_s, is_recent=end_s > now_s - RECENT_S)
        self.warnings = list(dict.fromkeys([*reader.warnings, *api.warnings]))
        if since_s is None:
            # nobody asked for the time before the source began
            began_s = float(recording.t[np.argmax(recording.fresh)])
            recording = recording.between(began_s - recording.layout.interval_s / 2, None)
        return recording

    def follow(self, stop: Event) -> Iterator[Update]:
        """Poll the newest values; see `Source`."""
        follower = Follower(
            self._api,
            self._signals,
            self._edges_s,
            interval_s=self._interval_s,
            window_s=self._window_s,
            timeout_s=self._options.timeout_s,
        )
        return follower.follow(stop)


def open_prometheus(spec: str, signals: Signals | None, **keywords: Any) -> PrometheusSource:
    """Open ``prometheus+http(s)://[user:password@]host[:port][/prefix]``; see `PrometheusSource`."""
    return PrometheusSource(spec.removeprefix(SPEC_PREFIX), signals, **keywords)


def open_prometheus_source(
    spec: str,
    signals: str,
    *,
    step_s: float | None = None,
    interval_s: float | None = None,
    window_s: float | None = None,
    **http: Any,
) -> PrometheusSource:
    """Open a spec with the name or file of a signals preset, as the registry of sources does.

    Parameters
    ----------
    spec, signals : str
        The spec; the preset, or ``auto``.
    step_s, interval_s, window_s : float, optional
        See `PrometheusSource`.
    **http
        Fields of `HttpOptions`.
    """
    return open_prometheus(
        spec,
        None if signals == "auto" else load_signals(signals),
        step_s=step_s,
        interval_s=interval_s,
        window_s=window_s,
        options=HttpOptions(**http),
    )
