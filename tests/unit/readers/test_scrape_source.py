"""A scrape without a network: what pages make of panels, and what is lost, late, old, or new."""

from __future__ import annotations

import math
from pathlib import Path
from typing import cast

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sonify.errors import PresetError, ReaderError
from sonify.metrics.bands import LatencyBands
from sonify.readers.panel_window import MAX_BACKENDS, OTHER
from sonify.readers.scrape import MAX_TARGETS, open_scrape_source
from sonify.readers.scrape_run import ScrapeRun, WatchedTarget
from sonify.readers.scrape_target import FetchedPage, ScrapeTarget
from sonify.readers.signals import Signals, load_signals
from sonify.readers.source import Update

INTERVAL_S = 0.25
CODE_LIVE = load_signals("code-live")


class FakeTarget:
    """Hands over the pages that a test gives it."""

    def __init__(self, name: str) -> None:
        self.url = f"http://{name}/metrics"
        self.page: FetchedPage | None = None
        self.asks_for_text = False

    def take(self) -> FetchedPage | None:
        page, self.page = self.page, None
        return page

    def prefer_text(self) -> bool:
        changed, self.asks_for_text = not self.asks_for_text, True
        return changed


class Bench:
    """A run over fake targets, an interval of a fake clock at a time."""

    def __init__(self, *names: str, signals: Signals | None = CODE_LIVE, window_s: float = INTERVAL_S) -> None:
        self.fakes = {name: FakeTarget(name) for name in names or ("a",)}
        watched = [WatchedTarget(cast("ScrapeTarget", fake)) for fake in self.fakes.values()]
        self.t = 1000.0
        clock = {"clock": lambda: self.t + 0.01, "wall_clock": lambda: self.t + 0.01}
        self.run = ScrapeRun(watched, signals, INTERVAL_S, window_s, **clock)

    def tick(self, *pages: str | None, openmetrics: bool = False, took_s: float = 0.01, problem: str = "") -> Update:
        """Let an interval pass, give each target a page (None: nothing came), and make a frame."""
        self.t += INTERVAL_S
        for fake, page in zip(self.fakes.values(), pages, strict=False):
            if page is not None:
                fake.page = FetchedPage(page.encode(), openmetrics, self.t, took_s, problem)
        return self.run.update(self.t)


def requests(**counts: float) -> str:
    return "".join(
        f'code_live_requests_total{{backend="{name}",status="200"}} {count}\n' for name, count in counts.items()
    )


def rate(update: Update, backend: str) -> float:
    frame = update.frame
    return float(frame.request_rate[frame.layout.backends.index(backend)])


# -- panels ------------------------------------------------------------------------------------------------------------

PANELS = """\
code_live_requests_total{{backend="rust",status="200"}} {ok}
code_live_requests_total{{backend="rust",status="503"}} {failed}
code_live_requests_total{{backend="go",status="200"}} 5
code_live_fallbacks_total{{backend="rust"}} {fallbacks}
code_live_glitches_total{{backend="rust"}} {glitches}
code_live_request_duration_seconds_bucket{{backend="rust",le="0.1"}} {fast}
code_live_request_duration_seconds_bucket{{backend="rust",le="1.0"}} {all}
code_live_request_duration_seconds_bucket{{backend="rust",le="+Inf"}} {all}
code_live_request_duration_seconds_sum{{backend="rust"}} 7
code_live_request_duration_seconds_count{{backend="rust"}} {all}
code_live_batch_size_bucket{{le="1"}} {fallbacks}
code_live_batch_size_bucket{{le="4"}} {glitches}
code_live_batch_size_bucket{{le="+Inf"}} {glitches}
code_live_queue_depth{{pool="x"}} 3
code_live_queue_depth{{pool="y"}} 4
code_live_active_requests 2
"""


def panels(ok: int, failed: int, fallbacks: int, glitches: int, fast: int) -> str:
    values = {"ok": ok, "failed": failed, "fallbacks": fallbacks, "glitches": glitches, "fast": fast}
    return PANELS.format(**values, all=ok + failed)


def test_panels_of_one_page_after_another() -> None:
    bench = Bench(signals=None)
    first = bench.tick(panels(100, 10, 5, 7, 50))
    assert first.frame.fresh
    assert np.isnan(first.frame.request_rate).all()  # one page tells no rate
    assert np.isnan(first.frame.latency_rate).all()
    assert "signals: code-live" in first.notices[0]
    assert (first.frame.queue_depth, first.frame.active_requests) == (7.0, 2.0)
    update = bench.tick(panels(106, 12, 7, 10, 54))
    frame = update.frame
    assert frame.layout.backends == ("rust", "go")
    assert frame.layout.same_as(first.frame.layout)  # a recording begins with the first frame
    np.testing.assert_allclose(frame.request_rate * INTERVAL_S, [8, 0])
    np.testing.assert_allclose(frame.error_ratio, [0.25, np.nan])
    np.testing.assert_allclose(frame.fallback_ratio, [0.25, np.nan])
    np.testing.assert_allclose(frame.glitch_rate * INTERVAL_S, [3, 0])
    np.testing.assert_allclose(frame.batch_rate * INTERVAL_S, [2, 1, 0])
    np.testing.assert_allclose(frame.layout.batch_edges, [0, 1, 4, np.inf])
    bands = frame.latency_rate[0] * INTERVAL_S
    assert bands.sum() == pytest.approx(8)
    below = LatencyBands().edges_s[1:] <= 0.1
    assert bands[below].sum() <= 4.0 <= bands[: below.sum() + 1].sum()
    assert np.isnan(frame.latency_rate[1]).all()
    assert (frame.queue_depth, frame.active_requests) == (7.0, 2.0)
    assert update.problem == ""
    assert update.lag_s == pytest.approx(0.01)
    assert set(update.panel_age_s) == {
        "requests",
        "errors",
        "fallbacks",
        "glitches",
        "latency",
        "batch",
        "queue",
        "active",
    }


def test_targets_add_up() -> None:
    bench = Bench("a", "b")
    bench.tick(panels(100, 10, 5, 7, 50), panels(0, 0, 0, 0, 0))
    frame = bench.tick(panels(106, 12, 7, 10, 54), panels(6, 2, 2, 3, 4)).frame
    np.testing.assert_allclose(frame.request_rate * INTERVAL_S, [16, 0])
    np.testing.assert_allclose(frame.latency_rate[0].sum() * INTERVAL_S, 16)
    assert (frame.queue_depth, frame.active_requests) == (14.0, 4.0)


@given(steps=st.lists(st.tuples(st.integers(0, 50), st.integers(0, 50), st.booleans(), st.booleans()), max_size=15))
def test_every_request_is_told_once_through_restarts_and_late_pages(steps: list[tuple[int, int, bool, bool]]) -> None:
    """Rate × time of all frames is what was counted; of a restart only what was counted after it can be seen."""
    bench = Bench()
    bench.tick(requests(rust=0, go=0))
    counts, truth, told = {"rust": 0, "go": 0}, {"rust": 0, "go": 0}, {"rust": 0.0, "go": 0.0}
    before, is_late = bench.t, False
    for rust, go, restarts, late in [*steps, (0, 0, False, False)]:
        was_late, is_late = is_late, late and not is_late
        for backend, count in (("rust", rust), ("go", go)):
            is_anew = restarts and not was_late and not is_late and count < counts[backend]
            counts[backend] = count + (0 if is_anew else counts[backend])
            truth[backend] += count
        if is_late:
            bench.tick(None)
            continue
        update = bench.tick(requests(**counts))
        for backend in told:
            told[backend] += rate(update, backend) * (bench.t - before)
        before = bench.t
    assert told == pytest.approx(truth)


def test_a_late_page_is_no_dip() -> None:
    bench = Bench()
    bench.tick(requests(rust=0))
    assert rate(bench.tick(requests(rust=2)), "rust") == 8.0
    held = bench.tick(None)
    assert held.frame.fresh
    assert held.frame.t == bench.t
    assert rate(held, "rust") == 8.0
    assert rate(bench.tick(requests(rust=6)), "rust") == 8.0  # 4 in two intervals


def test_nothing_is_lost_where_the_reader_itself_was_late() -> None:
    bench = Bench(window_s=4.0)
    bench.tick(requests(rust=0))
    bench.tick(requests(rust=0))
    bench.t += 3.0
    assert rate(bench.tick(requests(rust=14)), "rust") == 4.0  # 14 in 3.5 s
    bench.t += 3600.0  # the machine slept: an hour's mean is not what is now
    assert math.isnan(rate(bench.tick(requests(rust=5000)), "rust"))
    assert rate(bench.tick(requests(rust=5001)), "rust") * INTERVAL_S == 1.0


def test_a_restart_counts_from_zero() -> None:
    bench = Bench()
    bench.tick(panels(100, 10, 5, 7, 50))
    bench.tick(panels(101, 10, 5, 7, 50))
    frame = bench.tick(panels(3, 1, 1, 1, 2)).frame
    np.testing.assert_allclose(frame.request_rate[0] * INTERVAL_S, 4)
    np.testing.assert_allclose(frame.latency_rate[0].sum() * INTERVAL_S, 4)
    np.testing.assert_allclose(frame.glitch_rate[0] * INTERVAL_S, 1)


def test_a_series_that_appears_counts_from_zero_and_one_that_vanishes_is_not_measured() -> None:
    bench = Bench()
    bench.tick(requests(rust=100))
    update = bench.tick(requests(rust=101, go=3))
    assert rate(update, "go") * INTERVAL_S == 3.0
    gone = bench.tick(requests(go=4))
    assert math.isnan(rate(gone, "rust"))
    assert rate(gone, "go") * INTERVAL_S == 1.0


def test_a_page_that_lost_all_its_series_is_no_silence() -> None:
    bench = Bench()
    bench.tick(requests(rust=100))
    bench.tick(requests(rust=101))
    empty = bench.tick("up 1\n")
    assert not empty.frame.fresh
    assert "no series of its metrics is on the page now" in empty.problem
    back = bench.tick(requests(rust=3) + "up 1\n")  # the service began anew
    assert back.problem == ""
    assert rate(back, "rust") * INTERVAL_S == 3.0


def test_very_many_backends_are_heard_as_one() -> None:
    bench = Bench()
    names = [f"b{number}" for number in range(MAX_BACKENDS + 50)]
    bench.tick(requests(**dict.fromkeys(names, 0)))
    update = bench.tick(requests(**dict.fromkeys(names, 1)))
    assert float(np.nansum(update.frame.request_rate)) * INTERVAL_S == pytest.approx(len(names))
    assert rate(update, OTHER) * INTERVAL_S == pytest.approx(50)
    assert any("more than 200 backends" in notice for notice in update.notices)


def test_a_metric_that_appears_later_is_a_panel_from_its_first_event() -> None:
    bench = Bench()
    first = bench.tick(requests(rust=1))
    assert any("no data for" in notice and "glitches" in notice for notice in first.notices)
    update = bench.tick(requests(rust=2) + 'code_live_glitches_total{backend="rust"} 1\n')
    np.testing.assert_allclose(update.frame.glitch_rate * INTERVAL_S, [1])


# -- lost --------------------------------------------------------------------------------------------------------------


def test_one_target_of_two_that_is_lost_is_said_and_its_backend_is_not_zero() -> None:
    bench = Bench("a", "b")
    bench.tick(requests(rust=0) + "code_live_queue_depth 1\n", requests(go=0) + "code_live_queue_depth 2\n")
    bench.tick(requests(rust=5) + "code_live_queue_depth 1\n", requests(go=5) + "code_live_queue_depth 2\n")
    problem = FetchedPage(b"", False, 0.0, 0.0, "http://b/metrics: cannot be reached: refused")
    updates = []
    for step in range(4):
        bench.fakes["b"].page = problem
        updates.append(bench.tick(requests(rust=10 + 5 * step) + "code_live_queue_depth 1\n", None))
    last = updates[-1]
    assert last.frame.fresh
    assert last.problem == "1 of 2 targets lost; what is heard is of the others only: " + problem.problem
    assert rate(last, "rust") == 20.0
    assert math.isnan(rate(last, "go"))
    assert last.frame.queue_depth == 1.0
    # it comes back far on: what happened in between is not one burst
    back = bench.tick(requests(rust=30), requests(go=9000))
    assert back.problem == ""
    assert math.isnan(rate(back, "go"))
    assert rate(bench.tick(requests(rust=30), requests(go=9001)), "go") * INTERVAL_S == 1.0


def test_a_lost_source_is_stale_within_two_intervals_and_recovers() -> None:
    bench = Bench()
    bench.tick(requests(rust=0))
    assert bench.tick(requests(rust=5)).frame.fresh
    refused = "http://a/metrics: cannot be reached: refused"
    bench.tick("", problem=refused)
    lost = bench.tick("", problem=refused)
    assert not lost.frame.fresh
    assert np.isnan(lost.frame.request_rate).all()
    assert lost.problem == refused
    assert lost.notices == ()
    back = bench.tick(requests(rust=5000))
    assert back.frame.fresh
    assert back.problem == ""
    assert not (back.frame.request_rate > 0.0).any()
    assert rate(bench.tick(requests(rust=5002)), "rust") * INTERVAL_S == 2.0


def test_garbage_is_a_problem_that_names_the_line() -> None:
    bench = Bench()
    bench.tick(requests(rust=0))
    for _ in range(3):
        update = bench.tick("code_live_requests_total{ 1\n")
    assert not update.frame.fresh
    assert "http://a/metrics, line 1: " in update.problem


def test_a_slow_target_gets_its_time() -> None:
    bench = Bench()
    bench.tick(requests(rust=0), took_s=0.4)
    updates = [bench.tick(None), bench.tick(requests(rust=4), took_s=0.4), bench.tick(None)]
    updates.append(bench.tick(requests(rust=8), took_s=0.4))
    assert all(update.frame.fresh for update in updates)
    assert rate(updates[-1], "rust") == 8.0
    assert sum("takes longer to answer" in notice for update in updates for notice in update.notices) <= 1


# -- times, formats, presets -------------------------------------------------------------------------------------------


def test_samples_that_say_they_are_old_are_stale() -> None:
    bench = Bench()

    def page(count: int, age_s: float) -> str:
        time_s = bench.t + INTERVAL_S - age_s
        return f'code_live_requests_total{{backend="rust"}} {count} {round(time_s * 1000)}\n'

    bench.tick(page(0, 0.1))
    fresh = bench.tick(page(5, 0.2))
    assert rate(fresh, "rust") == 20.0
    assert fresh.lag_s == pytest.approx(0.21)
    for _ in range(3):
        stale = bench.tick(page(5, 30.0))
    assert not stale.frame.fresh
    assert "older than two intervals" in stale.problem


def test_openmetrics_that_breaks_the_rules_is_asked_for_as_text() -> None:
    bench = Bench()
    update = bench.tick("# TYPE a gauge\na 1\na 2\n# EOF\n", openmetrics=True)
    assert bench.fakes["a"].asks_for_text
    assert "line 3" in update.notices[-1]
    assert "older text format" in update.notices[-1]
    bench.tick(requests(rust=1))
    assert rate(bench.tick(requests(rust=3)), "rust") * INTERVAL_S == 2.0


def test_counters_that_openmetrics_renamed_are_found(tmp_path: Path) -> None:
    preset = tmp_path / "mine.toml"
    preset.write_text('[requests]\nmetric = "my_requests"\n')
    bench = Bench(signals=load_signals(str(preset)))
    page = "# TYPE my_requests counter\nmy_requests_total {}\n# EOF\n"
    bench.tick(page.format(1), openmetrics=True)
    assert rate(bench.tick(page.format(3), openmetrics=True), "all") * INTERVAL_S == 2.0


@pytest.mark.parametrize("mode", ["average", "gauge"])
def test_latency_without_buckets(mode: str, tmp_path: Path) -> None:
    preset = tmp_path / "mine.toml"
    preset.write_text(
        f'[requests]\nmetric = "requests_total"\n[latency]\nmetric = "lat"\nmode = "{mode}"\nunit = "ms"\n'
    )
    bench = Bench(signals=load_signals(str(preset)))
    for count in (0, 4):
        update = bench.tick(f"requests_total {count}\nlat_sum {200 * count}\nlat_count {count}\nlat 200\n")
    frame = update.frame
    assert frame.latency_rate[0].sum() * INTERVAL_S == pytest.approx(4)
    assert frame.latency_quantile_s(0.5)[0] == pytest.approx(0.2, rel=0.5)
    np.testing.assert_allclose(frame.request_rate * INTERVAL_S, [4])


def test_a_histogram_without_buckets_is_said() -> None:
    bench = Bench()
    page = requests(rust=1) + 'code_live_request_duration_seconds_sum{backend="rust"} 1\n'
    page += 'code_live_request_duration_seconds_count{backend="rust"} 1\n'
    assert any("has no buckets" in notice for notice in bench.tick(page).notices)


def test_what_fits_no_preset_is_a_problem_until_it_does() -> None:
    bench = Bench(signals=None)
    update = bench.tick("my_own_thing 1\n")
    assert not update.frame.fresh
    assert "--signals auto: no preset fits" in update.problem
    update = bench.tick("my_own_thing 1\n" + requests(rust=1))
    assert update.problem == ""
    assert rate(bench.tick("my_own_thing 1\n" + requests(rust=3)), "rust") * INTERVAL_S == 2.0


def test_a_preset_that_finds_nothing_is_a_problem() -> None:
    update = Bench().tick("my_own_thing 1\n")
    assert update.problem == "signals code-live: none of its metrics is among the 1 that are there"
    assert not update.frame.fresh


# -- opening -----------------------------------------------------------------------------------------------------------


def test_what_cannot_be_opened_is_said() -> None:
    for spec, targets, said in (
        ("scrape+http://", (), "written scrape"),
        ("scrape+http://a/metrics", ("ftp://b",), "written scrape"),
        ("scrape+http://a/metrics", ("http://a/metrics",), "named twice"),
        ("scrape+http://a/metrics", tuple(f"http://b:{n + 1}/" for n in range(MAX_TARGETS)), "more than the 256"),
    ):
        with pytest.raises(ReaderError, match=said):
            open_scrape_source(spec, "code-live", targets=targets)
    with pytest.raises(PresetError, match="no such signals preset"):
        open_scrape_source("scrape+http://a/metrics", "nothing")


def test_a_page_has_no_past() -> None:
    source = open_scrape_source("scrape+http://user:secret@a:1/metrics?token=secret", "auto", targets=["http://b:2/m"])
    assert source.title == "scrape a:1 and 1 more"
    with pytest.raises(ReaderError, match=r"shows only the present; .*sonify record") as caught:
        source.read(None, None)
    assert "secret" not in str(caught.value)
