"""The engine's own /metrics page, read by Prometheus' own parser."""

import http.client
import math
from dataclasses import replace

import httpx
import pytest
from fake_live import FakeLive, healthy, no_device, stale
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client.parser import text_string_to_metric_families

from sonify import __version__
from sonify.errors import UsageError
from sonify.runner.self_metrics import CONTENT_TYPE, SelfMetrics, exposition
from sonify.runner.snapshot import SourceStatus


def samples_of(page):
    """Value of each sample, by its name and labels."""
    found = {}
    for family in text_string_to_metric_families(page):
        assert family.documentation
        assert family.type in ("counter", "gauge")
        for sample in family.samples:
            key = (sample.name, tuple(sorted(sample.labels.items())))
            assert key not in found
            found[key] = sample.value
    return found


def value_of(page, name, **labels):
    return samples_of(page)[f"sonify_{name}", tuple(sorted(labels.items()))]


def test_everything_is_there_with_its_value():
    snapshot = healthy(underruns=3)
    page = exposition(snapshot)
    title = snapshot.sources[0].title
    assert value_of(page, "underruns_total") == 3.0
    assert value_of(page, "callback_age_seconds") == snapshot.callback_age_s
    assert value_of(page, "render_load_ratio") == snapshot.render_load_ratio
    assert value_of(page, "ring_seconds") == snapshot.ring_s
    assert value_of(page, "source_lag_seconds", source=title) == 1.1
    assert value_of(page, "source_stale", source=title) == 0.0
    assert value_of(page, "panel_age_seconds", source=title, panel="queue_depth") == 1.1
    assert value_of(page, "true_peak_dbtp") == -3.2
    assert value_of(page, "frame_to_ear_seconds") == snapshot.frame_to_ear_s
    assert value_of(page, "cpu_ratio") == snapshot.cpu_ratio
    assert any(name == "sonify_build_info" and ("version", __version__) in labels for name, labels in samples_of(page))


def test_a_lost_source_is_one():
    assert value_of(exposition(stale()), "source_stale", source=stale().sources[0].title) == 1.0


def test_what_is_not_measured_has_no_line():
    page = exposition(no_device(sources=(SourceStatus("x", "", math.nan, {}, False),)))
    names = {name for name, _ in samples_of(page)}
    assert not names & {"sonify_callback_age_seconds", "sonify_frame_to_ear_seconds", "sonify_source_lag_seconds"}
    assert "NaN" not in page
    assert "callback_age" not in page  # nor a head without a sample
    assert value_of(page, "true_peak_dbtp") == -math.inf


@given(st.text(), st.text())
def test_any_title_and_panel_survive_the_format(title, panel):
    source = SourceStatus(title, "", 1.0, {panel: 2.0}, False)
    page = exposition(healthy(sources=(source,)))
    page.encode()
    labels = {"source": title.encode("utf-8", "replace").decode(), "panel": panel.encode("utf-8", "replace").decode()}
    if not {"\r", "\x0b", "\x0c", "\x1c", "\x1d", "\x1e", "\x85", "\u2028", "\u2029"} & set(title + panel):
        assert value_of(page, "panel_age_seconds", **labels) == 2.0  # the parser would take those for ends of lines


def test_two_sources_of_one_title_are_two_series():
    source = healthy().sources[0]
    page = exposition(healthy(sources=(source, replace(source, is_stale=True))))
    assert value_of(page, "source_stale", source=f"{source.title} #2") == 1.0


def test_the_page_is_served_until_it_is_closed():
    live = FakeLive(lambda _: healthy())
    with SelfMetrics(("127.0.0.1", 0), live) as served:
        with httpx.Client(trust_env=False) as client:
            answer = client.get(served.url)
            assert client.get(served.url.replace("/metrics", "/")).status_code == 404
        assert answer.headers["Content-Type"] == CONTENT_TYPE
        assert value_of(answer.text, "underruns_total") == 0.0
        assert served.warning == ""
        url = served.url
    served.close()
    with pytest.raises(httpx.ConnectError):
        httpx.get(url, trust_env=False)


def test_closing_does_not_wait_for_a_scraper_that_keeps_its_connection():
    served = SelfMetrics(("127.0.0.1", 0), FakeLive(lambda _: healthy()))
    host, port = served.url.removeprefix("http://").removesuffix("/metrics").split(":")
    connection = http.client.HTTPConnection(host, int(port), timeout=5)
    connection.request("GET", "/metrics")
    connection.getresponse().read()
    served.close()
    connection.close()


def test_an_engine_without_a_snapshot_is_an_error_of_the_server(capfd):
    def broken(_):
        raise RuntimeError("not yet")

    with SelfMetrics(("127.0.0.1", 0), FakeLive(broken)) as served:
        answer = httpx.get(served.url, trust_env=False)
    assert answer.status_code == 500
    assert capfd.readouterr() == ("", "")


def test_an_address_for_everyone_is_warned_of():
    with SelfMetrics(("0.0.0.0", 0), FakeLive(lambda _: healthy())) as served:
        assert served.warning == (
            "warning: 0.0.0.0 is not a loopback address: everyone who reaches this machine can read the page"
        )


def test_an_address_in_use_is_one_clear_line():
    with SelfMetrics(("127.0.0.1", 0), FakeLive(lambda _: healthy())) as served:
        port = int(served.url.split(":")[2].split("/")[0])
        with pytest.raises(UsageError, match=rf"--metrics 127\.0\.0\.1:{port}: cannot listen here: "):
            SelfMetrics(("127.0.0.1", port), FakeLive(lambda _: healthy()))
