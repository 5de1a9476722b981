"""The panels of a signals preset as PromQL answers: one small aggregated query each, put onto one grid of times."""

from __future__ import annotations

from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from sonify.errors import ReaderError
from sonify.readers import promql
from sonify.readers.le_buckets import parse_le
from sonify.readers.prometheus_api import PrometheusApi, readable
from sonify.readers.prometheus_discovery import HISTOGRAM_TABLES
from sonify.readers.signals import Signals
from sonify.readers.time_grid import TimeGrid

__all__ = ["ALL", "PanelQueries"]

ALL = "all"  # name of the only backend where no label names one

Array = NDArray[np.float64]
Series = list[tuple[dict[str, str], Array]]
Key = TypeVar("Key", str, float)


def _add(rates: dict[Key, Array], key: Key, rate: Array) -> None:
    """Add a rate to what other series have under the same key: NaN counts as nothing, unless both are NaN.

    Two series share a key where a label changed its name, or where instances write a bound as "1" and as "1.0".
    """
    old = rates.get(key)
    rates[key] = rate if old is None else np.where(np.isnan(old), rate, old + np.nan_to_num(rate))


def _first_of(labels: dict[str, str], wanted: tuple[str, ...]) -> str:
    return next((labels[name] for name in wanted if labels.get(name)), ALL)


class PanelQueries:
    """Asks for panels.

    Parameters
    ----------
    api : PrometheusApi
        Open.
    signals : Signals
        The preset.
    names : dict of str to str
        Series name of each panel there is, by table.
    grid : TimeGrid
        Which times.
    window_s : float
        What a rate is taken over, in s.
    gauge_window_s : float or None
        What a gauge is averaged over, in s; None takes the instant.

    Attributes
    ----------
    warnings : list of str
        What could not be read as it stands.
    """

    def __init__(
        self,
        api: PrometheusApi,
        signals: Signals,
        names: dict[str, str],
        grid: TimeGrid,
        *,
        window_s: float,
        gauge_window_s: float | None,
    ) -> None:
        self._api = api
        self._signals = signals
        self._names = names
        self._grid = grid
        self._window_s = window_s
        self._gauge_window_s = gauge_window_s
        self.warnings: list[str] = []

    def _matrix(self, expression: str, what: str) -> Series:
        """Series of a range query, each on the grid, shape (frames,); NaN where it has no point."""
        columns: dict[tuple[tuple[str, str], ...], Array] = {}
        for first_ms, last_ms in self._grid.chunks():
            fields = [
                ("query", expression),
                ("start", f"{first_ms / 1000:.3f}"),
                ("end", f"{last_ms / 1000:.3f}"),
                ("step", f"{self._grid.step_ms / 1000:.3f}"),
            ]
            answer = self._api.ask("/api/v1/query_range", fields, what=what)
            try:
                if answer["resultType"] != "matrix":
                    raise ValueError
                for item in answer["result"]:
                    labels = tuple(sorted((str(name), str(value)) for name, value in item["metric"].items()))
                    column = columns.setdefault(labels, np.full(self._grid.count, np.nan))
                    points: list[Any] = item.get("values", [])
                    times_s = np.asarray([point[0] for point in points], dtype=np.float64)
                    self._grid.place(column, times_s, np.asarray([point[1] for point in points], dtype=np.float64))
            except (KeyError, TypeError, ValueError, IndexError, AttributeError, OverflowError):
                raise ReaderError(
                    f"{self._api.url}/api/v1/query_range ({what}): the answer is not a matrix of time series"
                ) from None
        return [(dict(labels), column) for labels, column in columns.items()]

    def _rates(self, table: str, labels: tuple[str, ...], *extra: str) -> Series:
        name, signal = self._names[table], getattr(self._signals, table)
        matchers = (*self._signals.matchers, *signal.matchers)
        query = promql.rate_by(name, matchers, self._window_s, labels, *extra)
        return self._matrix(query, f"rate of {table}" + (f" by {' or '.join(labels)}" if labels else ""))

    def _rates_by_backend(self, table: str, *extra: str) -> list[tuple[str, dict[str, str], Array]]:
        """Backend, other labels and rate of each series; one backend where no label names any."""
        wanted = self._signals.backend_labels
        series = self._rates(table, wanted, *extra)
        if series:
            return [(_first_of(labels, wanted), labels, rate) for labels, rate in series]
        series = self._rates(table, (), *extra)
        if series:
            self.warnings.append(
                f"{self._names[table]} has no label {' or '.join(wanted)}: all of it is one backend, {ALL!r}"
            )
        return [(ALL, labels, rate) for labels, rate in series]

    def _le(self, table: str, labels: dict[str, str]) -> float | None:
        bound = parse_le(labels.get("le", ""))
        if bound is None:
            self.warnings.append(f"{self._names[table]}: le={readable(repr(labels.get('le')))} is no number: left out")
        return bound

    def counter(self, table: str) -> dict[str, Array]:
        """Rate of each backend in 1/s, shape (times,); empty where nothing was counted."""
        rates: dict[str, Array] = {}
        for backend, _, rate in self._rates_by_backend(table):
            _add(rates, backend, rate)
        return rates

    def latency(self) -> dict[str, dict[float, Array]]:
        """Cumulative rates of each backend by upper bound, in the histogram's own unit."""
        histograms: dict[str, dict[float, Array]] = {}
        for backend, labels, rate in self._rates_by_backend("latency", "le") if "latency" in self._names else []:
            bound = self._le("latency", labels)
            if bound is not None:
                _add(histograms.setdefault(backend, {}), bound, rate)
        return histograms

    def batch(self) -> dict[float, Array]:
        """Cumulative rates of all batches by upper bound."""
        histogram: dict[float, Array] = {}
        for labels, rate in self._rates("batch", (), "le") if "batch" in self._names else []:
            bound = self._le("batch", labels)
            if bound is not None:
                _add(histogram, bound, rate)
        return histogram

    def gauge(self, table: str) -> Array:
        """Sum over all series, shape (times,)."""
        column = np.full(self._grid.count, np.nan)
        if table in self._names:
            matchers = (*self._signals.matchers, *getattr(self._signals, table).matchers)
            query = promql.total(self._names[table], matchers, self._gauge_window_s)
            for _, value in self._matrix(query, f"sum of {table}"):
                column = np.where(value >= 0.0, value, np.nan)  # fewer than none cannot be
        return column

    def presence(self) -> NDArray[np.bool_]:
        """Whether the source was there at all, shape (times,)."""
        light = [name for table, name in self._names.items() if table not in HISTOGRAM_TABLES]
        query = promql.present(sorted(set(light or self._names.values())), self._signals.matchers)
        there = np.zeros(self._grid.count, dtype=np.bool_)
        for _, count in self._matrix(query, "presence of the source"):
            there |= count > 0.0
        return there
