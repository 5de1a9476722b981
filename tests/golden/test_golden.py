"""A render sounds as it did: feature tables within what a listener would not notice."""

import csv

import pytest

from tests.golden.features import CASES, rendered, table

TOLERANCE = {"second": 0.0, "level_db": 1.0, "side_db": 1.0, "flutter_db": 2.0}


@pytest.mark.parametrize(("sample", "sound"), CASES)
def test_a_render_sounds_as_it_did(sample, sound, tmp_path):
    with table(sample, sound).open(newline="") as file:
        expected = [{name: float(value) for name, value in row.items()} for row in csv.DictReader(file)]
    found = rendered(sample, sound, tmp_path)
    assert len(found) == len(expected)
    for now, before in zip(found, expected, strict=True):
        assert now["centroid_hz"] == pytest.approx(before["centroid_hz"], rel=0.05)
        for name, tolerance in TOLERANCE.items():
            assert now[name] == pytest.approx(before[name], abs=tolerance), (name, before["second"])
