import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sonify.metrics.bands import LatencyBands, quantile_s, rebucket

PROMETHEUS_DEFAULT_S = [0.0, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, np.inf]


@st.composite
def histograms(draw):
    inner = sorted(draw(st.sets(st.floats(1e-5, 1e4), min_size=1, max_size=20)))
    inner = [edge for index, edge in enumerate(inner) if index == 0 or edge > inner[index - 1] * 1.001]
    edges = ([0.0] if draw(st.booleans()) or len(inner) < 2 else []) + inner + ([np.inf] if draw(st.booleans()) else [])
    counts = draw(st.lists(st.floats(0, 1e6), min_size=len(edges) - 1, max_size=len(edges) - 1))
    return np.array(edges), np.array(counts)


def test_default_bands_span_1_ms_to_60_s_and_are_open():
    bands = LatencyBands()
    assert len(bands.edges_s) == 25
    assert bands.edges_s[0] == 0.0
    assert np.isinf(bands.edges_s[-1])
    assert bands.nominal_edges_s[[0, -1]] == pytest.approx([0.001, 60.0])
    ratios = bands.nominal_edges_s[1:] / bands.nominal_edges_s[:-1]
    assert ratios == pytest.approx(np.full(24, ratios[0]))


def test_position_counts_bands_from_the_first_centre():
    bands = LatencyBands()
    assert bands.position(bands.centres_s) == pytest.approx(np.arange(24))


@given(histograms(), histograms())
def test_rebucketing_conserves_the_total(source, target):
    edges, counts = source
    moved = rebucket(counts, edges, target[0])
    assert np.all(moved >= 0.0)
    assert moved.sum() == pytest.approx(counts.sum(), rel=1e-12)


@given(histograms())
def test_rebucketing_onto_a_finer_layout_and_back_is_lossless(source):
    edges, counts = source
    inner = edges[(edges > 0) & np.isfinite(edges)]
    finer = np.unique(np.concatenate([edges, np.sqrt(inner[1:] * inner[:-1])]))
    assert rebucket(rebucket(counts, edges, finer), finer, edges) == pytest.approx(counts, rel=1e-9, abs=1e-6)


def test_a_bucket_is_spread_log_uniformly():
    # one bucket from 1 to 100 over decades: half the logarithm each
    assert rebucket([10.0], [1.0, 100.0], [1.0, 10.0, 100.0]) == pytest.approx([5.0, 5.0])


def test_open_buckets_are_as_wide_as_their_neighbours():
    edges = [0.0, 1.0, 2.0, np.inf]
    assert rebucket([8.0, 0.0, 0.0], edges, [0.0, 0.5, 1.0, 2.0, 4.0]) == pytest.approx([0.0, 8.0, 0.0, 0.0])
    assert rebucket([0.0, 0.0, 8.0], edges, [0.0, 0.5, 1.0, 2.0, 4.0]) == pytest.approx([0.0, 0.0, 0.0, 8.0])


def test_not_measured_stays_not_measured():
    moved = rebucket([[1.0, np.nan], [1.0, 2.0]], [0.0, 1.0, np.inf], LatencyBands().edges_s)
    assert np.isnan(moved[0]).all()
    assert moved[1].sum() == pytest.approx(3.0)


def test_many_rows_at_once_equal_one_by_one():
    counts = np.random.default_rng(1).random((3, 4, len(PROMETHEUS_DEFAULT_S) - 1))
    edges_s = LatencyBands().edges_s
    whole = rebucket(counts, PROMETHEUS_DEFAULT_S, edges_s)
    assert whole[2, 1] == pytest.approx(rebucket(counts[2, 1], PROMETHEUS_DEFAULT_S, edges_s))


@pytest.mark.parametrize("edges", [[0.0], [1.0, 1.0], [2.0, 1.0], [0.0, np.inf], [-1.0, 1.0]])
def test_layouts_that_mean_nothing_are_refused(edges):
    with pytest.raises(ValueError, match="edges"):
        rebucket(np.ones(len(edges) - 1), edges, LatencyBands().edges_s)


@given(histograms(), st.floats(0.0, 1.0), st.floats(0.0, 1.0))
def test_quantiles_rise(histogram, q, other):
    edges, counts = histogram
    low, high = quantile_s(counts, edges, min(q, other)), quantile_s(counts, edges, max(q, other))
    assert np.isnan(low) == (counts.sum() == 0.0)
    assert np.isnan(low) or low <= high * (1 + 1e-12)


def test_quantile_of_a_known_histogram():
    counts = np.array([0.0, 50.0, 50.0, 0.0])
    edges = [0.0, 1.0, 10.0, 100.0, np.inf]
    assert quantile_s(counts, edges, 0.5) == pytest.approx(10.0)
    assert quantile_s(counts, edges, 0.75) == pytest.approx(10.0**1.5)


def test_quantile_survives_rebucketing_within_one_band():
    rng = np.random.default_rng(3)
    samples_s = rng.lognormal(np.log(0.08), 0.8, 20_000)
    counts, _ = np.histogram(samples_s, PROMETHEUS_DEFAULT_S)
    bands = LatencyBands()
    moved = rebucket(counts, PROMETHEUS_DEFAULT_S, bands.edges_s)
    for q in (0.5, 0.95):
        truth, found = np.quantile(samples_s, q), quantile_s(moved, bands.edges_s, q)
        assert abs(bands.position(found) - bands.position(truth)) <= 1.0


def test_no_traffic_and_no_measurement_have_no_quantile():
    edges_s = LatencyBands().edges_s
    assert np.isnan(quantile_s(np.zeros(24), edges_s, 0.5))
    assert np.isnan(quantile_s(np.full(24, np.nan), edges_s, 0.5))


@pytest.mark.parametrize("value", [1e308, np.inf, -np.inf])
def test_what_is_no_rate_has_no_quantile_and_warns_of_nothing(value):
    rate = np.zeros(24)
    rate[[3, 5]] = value
    assert np.isnan(quantile_s(rate, LatencyBands().edges_s, 0.95))
