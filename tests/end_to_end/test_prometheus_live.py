"""Following a real Prometheus: what it tells agrees with what the simulated service counted itself."""

from __future__ import annotations

import itertools
import time
from pathlib import Path

import numpy as np
from following import Followed, following
from servers import prometheus_server
from truth import agrees_in_one_of, assert_agrees, simulated_service

from sonify.readers.prometheus import open_prometheus_source
from sonify.readers.source import Update


def notices_of(live: Followed) -> list[str]:
    return list(itertools.chain.from_iterable(came.update.notices for came in live.came))


def has_rates(update: Update) -> bool:
    return bool(np.isfinite(update.frame.request_rate).any())


def test_live_and_range_agree_with_what_the_service_counted(tmp_path: Path) -> None:
    agrees_in_one_of(3, live_and_range_agree, tmp_path)


def live_and_range_agree(folder: Path) -> None:
    with (
        simulated_service("incident", speed=40.0) as service,
        prometheus_server(folder, {"live": [service.address]}, scrape_interval="500ms") as url,
        following(open_prometheus_source(f"prometheus+{url}", "code-live", interval_s=0.5)) as named,
        following(open_prometheus_source(f"prometheus+{url}", "auto", interval_s=0.5)) as chosen,
    ):
        for live in (named, chosen):
            live.wait_for(has_rates, "the first rates")
        time.sleep(1.0)
        began_s, before = time.time(), service.snapshot()
        service.clock.run()
        time.sleep(4.0)
        service.clock.hold()
        after = service.snapshot()
        time.sleep(4.0)
        ranged = open_prometheus_source(f"prometheus+{url}", "auto", step_s=0.5)
        assert_agrees(ranged.read(began_s - 1.0, time.time()), before, after, service.backends)
        assert [warning.startswith("signals: code-live (requests") for warning in ranged.warnings] == [True]
    for live in (named, chosen):
        assert_agrees(live.recording(), before, after, service.backends)
        fresh = [came.update for came in live.came if came.update.frame.fresh]
        assert all(0.0 <= update.lag_s <= 2.5 for update in fresh)
        assert set(fresh[-1].panel_age_s) == {
            "requests", "errors", "fallbacks", "glitches", "latency", "batch", "queue", "active",
        }  # fmt: skip
    assert notices_of(named) == []
    assert [notice.startswith("signals: code-live (requests") for notice in notices_of(chosen)] == [True]
