"""What StatsD packets count, gathered until the next frame: built for many packets a second."""

from __future__ import annotations

import math
from collections.abc import Collection, Iterable, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from sonify.errors import ReaderError
from sonify.metrics.bands import LatencyBands
from sonify.readers.auto_signals import choose_signals
from sonify.readers.panel_window import BATCH_EDGES, PanelWindow
from sonify.readers.readable import readable
from sonify.readers.signals import Signals
from sonify.readers.statsd_lines import TIMERS, Head, parse_event_tags, parse_head
from sonify.readers.statsd_names import GAUGES, StatsdNames, Target, spellings

__all__ = ["MAX_SERIES", "StatsdCounts"]

MAX_SERIES = 100_000  # combinations of name and tags that are kept in mind
_MAX_KEY_BYTES = 16_000_000  # of all of them
_MAX_CACHED_KEY_BYTES = 1000  # of one; a longer one is read anew each time
_MAX_PENDING = 65_536  # values that wait for a frame
_LARGEST = 1e15
_GAUGE_LIFE_S = 300.0  # a gauge that is not sent for so long has gone with its sender
_MAX_BINS = 10_000  # all are looked at for each frame
_EAGER_CHOICES = 64  # so often the preset is chosen anew at once when a name is new, after that once a second
_MAX_NAMES = 2000  # that a preset is chosen by
_CHOICE_INTERVAL_S = 1.0

_TRAP_VALUES = 100  # timers of which none takes a millisecond look as if they were in seconds

_INNER_EDGES_S = LatencyBands().edges_s[1:-1]
_NUM_BANDS = LatencyBands().count

Values = NDArray[np.float64]


class _Bin(NamedTuple):
    """What shares a list of waiting values: all series that go to the same targets in the same way."""

    kind: str
    targets: tuple[Target, ...]
    weight: float
    gauge: tuple[object, ...]  # a gauge's name and tags; empty for what only adds up


class _Gauge:
    __slots__ = ("heard_s", "targets", "value")

    def __init__(self, targets: tuple[Target, ...]) -> None:
        self.targets = targets
        self.value = 0.0
        self.heard_s = 0.0


class StatsdCounts:
    """Read packets into bins, and empty the bins into a `PanelWindow`.

    A line costs a look-up by what stands around its value; only a combination that is new is parsed. Values stay text
    until a frame is due, when each bin is converted and counted as a whole.

    Parameters
    ----------
    window : PanelWindow
        Where all is counted.
    signals : Signals or None
        The preset; None chooses one by the names that come.

    Attributes
    ----------
    num_bad : int
        Lines, or values of a line, that could not be read.
    notices : list of str
        What a person should know and was not told yet; whoever tells takes them out.
    """

    def __init__(self, window: PanelWindow, signals: Signals | None) -> None:
        self._window = window
        self._names = None if signals is None else StatsdNames(signals)
        self._is_auto = signals is None
        self._preset = "" if signals is None else signals.name
        self._labels: dict[str, set[str]] = {}  # tags of each name as Prometheus might spell it, for the choice
        self._sent_names: set[str] = set()
        self._undecided = False
        self._num_choices = 0
        self._chosen_s = -math.inf
        self._said: set[str] = set()
        self.num_bad = 0
        self.notices: list[str] = []
        self._gauges: dict[tuple[object, ...], _Gauge] = {}
        self._num_short_timers = 0  # since the last one of a millisecond or more
        self._forget()

    def _forget(self) -> None:
        """Begin the caches anew; what was counted stays counted."""
        self._lists: dict[tuple[bytes, bytes], list[bytes]] = {}
        self._bins: dict[_Bin, list[bytes]] = {}
        self._ignored: set[bytes] = set()
        self._key_bytes = 0
        self._pending = 0

    # -- what arrives ----------------------------------------------------------------------------------------------

    def feed(self, packets: list[bytes], now_s: float) -> None:
        """Read packets: lines that are separated by line feeds."""
        lines = b"\n".join(packets).split(b"\n")
        lists = self._lists
        for line in lines:
            name, _, rest = line.partition(b":")
            value, _, suffix = rest.partition(b"|")
            try:
                lists[name, suffix].append(value)
            except KeyError:
                if name not in self._ignored:
                    self._add(line, name, value, suffix, now_s)
                    lists = self._lists  # they may have been begun anew
        self._pending += len(lines)
        if self._pending > _MAX_PENDING:
            self.fold(now_s)

    def _add(self, line: bytes, name: bytes, value: bytes, suffix: bytes, now_s: float) -> None:
        """Read a line that is not known yet."""
        if not line.strip():
            return
        if line.startswith(b"_sc|"):
            return  # a service check: its state belongs to no panel
        try:
            if line.startswith(b"_e{"):
                self._add_event(line)
                return
            head = parse_head(name, suffix)
        except ValueError as error:
            self._bad(line, str(error))
            return
        if self._is_auto:
            self._hear_of(head, now_s)
        if self._names is None or not self._names.wants(head.name):
            if b"[" not in name and b"," not in name and self._makes_room(name, b""):
                self._ignored.add(name)
            return
        pending = self._list_for(head, now_s)
        pending.append(value)
        # a time of its own makes every line another one: not worth keeping
        if b"|T" not in suffix and len(name) + len(suffix) <= _MAX_CACHED_KEY_BYTES and self._makes_room(name, suffix):
            self._lists[name, suffix] = pending

    def _list_for(self, head: Head, now_s: float) -> list[bytes]:
        names = self._names
        assert names is not None
        better = names.num_better
        targets = names.targets(head.name, head.kind, head.tags)
        # what went to names that come after a better one goes nowhere from now on
        if names.num_better > better or len(self._bins) >= _MAX_BINS:
            self.fold(now_s)
            self._forget()
        if not targets and head.kind == "g":
            self._say_once(f"{readable(head.name)}: a gauge, but its panel counts events: not used")
        gauge = (head.name, *sorted(head.tags.items())) if head.kind == "g" and targets else ()
        return self._bins.setdefault(_Bin(head.kind, targets, head.weight, gauge), [])

    def _makes_room(self, name: bytes, suffix: bytes) -> bool:
        """Whether one more combination may be kept in mind; where there are too many all are learned anew."""
        self._key_bytes += len(name) + len(suffix) + 200
        if self._key_bytes < _MAX_KEY_BYTES and len(self._lists) + len(self._ignored) < MAX_SERIES:
            return True
        self._say_once(f"more than {MAX_SERIES} combinations of name and tags: reading them costs more time")
        kept = self._bins
        self._forget()
        self._bins = {key: values for key, values in kept.items() if values}
        return False

    def _add_event(self, line: bytes) -> None:
        tags = parse_event_tags(line)
        if self._names is None:
            target: Target | None = Target("glitches", tags.get("backend") or "all")
        else:
            target = self._names.event_target(tags)
        if target is not None:
            self._window.add_count("glitches", target.backend, 1.0)

    def _bad(self, line: bytes, why: str, count: int = 1) -> None:
        self.num_bad += count
        if "bad" not in self._said:
            self._said.add("bad")
            shown = readable(line[:100].decode(errors="replace"))
            self.notices.append(f"not a line of StatsD: {shown!r}: {readable(why, 100)}; such lines are only counted")

    def _say_once(self, text: str) -> None:
        if text not in self._said and len(self._said) < 100:
            self._said.add(text)
            self.notices.append(text)

    # -- choosing a preset -----------------------------------------------------------------------------------------

    def _hear_of(self, head: Head, now_s: float) -> None:
        """Take a name into account, and choose the preset anew where that can change it."""
        is_new = False
        for spelled in spellings(head.name, head.kind):
            labels = self._labels.get(spelled)
            if labels is None:
                if len(self._labels) >= 10 * _MAX_NAMES:
                    return
                labels = self._labels[spelled] = set()
                is_new = True
            is_new |= not labels.issuperset(head.tags)
            labels.update(list(head.tags)[: max(0, 100 - len(labels))])
        if len(self._sent_names) < _MAX_NAMES:
            self._sent_names.add(head.name)
        if is_new and self._num_choices < _EAGER_CHOICES:
            self._choose(now_s)
        elif is_new:
            self._undecided = True

    def _choose(self, now_s: float) -> None:
        self._undecided, self._chosen_s = False, now_s
        self._num_choices += 1
        try:
            choice = choose_signals(self._labels, self._labels)
        except ReaderError:
            return
        if choice.signals.name != self._preset:
            self.fold(now_s)
            self._forget()
            self._preset, self._names = choice.signals.name, StatsdNames(choice.signals)
            rest = f"; nothing yet for {' '.join(choice.missing)}" if choice.missing else ""
            self._say_once(f"signals: {choice.signals.name} (so far {' '.join(choice.found)}{rest})")

    def order_backends(self, names: set[str]) -> Sequence[str]:
        """Put backends in the order of the preset."""
        return sorted(names) if self._names is None else self._names.signals.order_backends(names)

    @property
    def unknown_names(self) -> Collection[str]:
        """Names that came while no preset fits any; empty once one does, or where it was given."""
        return self._sent_names if self._names is None else ()

    # -- what is handed over ---------------------------------------------------------------------------------------

    def fold(self, now_s: float) -> None:
        """Count all waiting values."""
        self._pending = 0
        if self._undecided and now_s - self._chosen_s >= _CHOICE_INTERVAL_S:
            self._choose(now_s)
        heard: set[str] = set()
        for place, pending in self._bins.items():
            if pending:
                if place.gauge:
                    self._set_gauge(place, pending, now_s)
                    heard.update(target.table for target in place.targets)
                elif place.targets:
                    values = self._floats(pending)
                    for target in place.targets:
                        self._count(place, target, values)
                pending.clear()
        self._show_gauges(heard, now_s)

    def _floats(self, pending: list[bytes]) -> Values:
        """Make numbers of values; those that are none, or below 0, are left out."""
        try:
            values = list(map(float, pending))
        except ValueError:
            values = list(self._one_by_one(pending))
        numbers = np.asarray(values)
        good = (numbers >= 0.0) & (numbers <= _LARGEST)  # false for NaN
        if not good.all():
            worst = values[int(np.argmin(good))]
            self._bad(f"{worst:g}".encode(), f"a value lies from 0 to {_LARGEST:g}", int(np.sum(~good)))
        return np.asarray(numbers[good])

    def _one_by_one(self, pending: list[bytes]) -> Iterable[float]:
        for text in b",".join(pending).replace(b":", b",").split(b","):  # 1:2:3 and 1,2,3 are three values
            try:
                yield float(text)
            except ValueError:
                self._bad(text, "not a number")

    def _count(self, place: _Bin, target: Target, values: Values) -> None:
        if target.table == "latency":
            if place.kind == "ms" and len(values):
                self._watch_unit(values)
            bands = np.searchsorted(_INNER_EDGES_S, values * target.unit_s, side="right")
            counts = np.bincount(bands, minlength=_NUM_BANDS).astype(np.float64)
            self._window.add_latencies(target.backend, counts * place.weight)
        elif target.table == "batch":
            bands = np.searchsorted(BATCH_EDGES[1:-1], values, side="left")
            counts = np.bincount(bands, minlength=len(BATCH_EDGES) - 1).astype(np.float64)
            self._window.add_batches(counts * place.weight, np.asarray(BATCH_EDGES))
        elif target.table not in GAUGES:
            events = float(len(values) if place.kind in TIMERS else values.sum())
            self._window.add_count(target.table, target.backend, target.sign * place.weight * events)

    def _watch_unit(self, values: Values) -> None:
        """Say where timers, which are in ms, seem to be sent in seconds, as Datadog's Python client does."""
        self._num_short_timers = 0 if values.max() >= 1.0 else self._num_short_timers + len(values)
        if self._num_short_timers >= _TRAP_VALUES:
            self._say_once(
                f"{_TRAP_VALUES} timers in a row are under 1 ms: |ms counts milliseconds, but some senders use "
                "seconds (datadog's timed() does without use_ms=True)"
            )

    def _set_gauge(self, place: _Bin, pending: list[bytes], now_s: float) -> None:
        gauge = self._gauges.get(place.gauge)
        if gauge is None:
            if len(self._gauges) >= MAX_SERIES:
                self._say_once(f"more than {MAX_SERIES} gauges: the others are not used")
                return
            gauge = self._gauges[place.gauge] = _Gauge(place.targets)
        gauge.targets, gauge.heard_s = place.targets, now_s
        for text in pending:
            try:
                value = float(text)
            except ValueError:
                value = math.nan
            if not abs(value) <= _LARGEST:
                self._bad(text, "a gauge is a number, with + or - for a change")
            elif text.lstrip().startswith((b"+", b"-")):
                gauge.value += value
            else:
                gauge.value = value

    def _show_gauges(self, heard: set[str], now_s: float) -> None:
        gone = [key for key, gauge in self._gauges.items() if now_s - gauge.heard_s > _GAUGE_LIFE_S]
        tables = {target.table for key in gone for target in self._gauges.pop(key).targets}
        for table in heard | tables:
            values = [
                target.sign * gauge.value
                for gauge in self._gauges.values()
                for target in gauge.targets
                if target.table == table
            ]
            if values:
                self._window.set_gauge(table, sum(values))
            elif table in tables:
                self._window.set_gauge(table, math.nan)
