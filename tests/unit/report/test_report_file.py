"""The page as a file: one piece, its own policy, names that stay data, and never over its budget."""

import base64
import hashlib
import json
import re
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from report_content import make_content, make_recording, with_fault, write_tone

from sonify.errors import RenderError
from sonify.report.content import Comparison
from sonify.report.document import label
from sonify.report.packing import harmless_json
from sonify.report.page import write_report

HOSTILE = ("</script><script>alert(1)</script>", "{{data}}", "\u202eevil", "nul\0" + "x" * 10_000, "\ud800")


def written(folder, content, **options):
    path = folder / "page.html"
    write_report(path, content, **options)
    assert not list(folder.glob(".page*"))
    return path.read_bytes().decode("ascii")  # nothing in it depends on an encoding


def facts_of(text):
    return json.loads(re.search(r'id="facts">(.*?)</script>', text, re.DOTALL)[1])


@pytest.fixture(scope="module")
def hostile(tmp_path_factory):
    folder = tmp_path_factory.mktemp("report")
    recording = replace(with_fault(make_recording(backends=HOSTILE)), source=HOSTILE[0])
    content = make_content(folder, recording)
    return written(folder, replace(content, title=HOSTILE[0], hints=[HOSTILE[0]]))


def test_the_policy_names_the_only_style_and_script_by_hash(hostile):
    policy = re.search(r'http-equiv="Content-Security-Policy" content="([^"]+)"', hostile)[1]
    assert policy.startswith("default-src 'none'; ")
    for tag in ("style", "script"):
        bodies = re.findall(rf"<{tag}>(.*?)</{tag}>", hostile, re.DOTALL)
        assert len(bodies) == 1
        digest = base64.b64encode(hashlib.sha256(bodies[0].encode()).digest()).decode()
        assert f"{tag}-src 'sha256-{digest}'" in policy
    assert "unsafe" not in policy
    assert "http" not in policy


def test_the_page_names_no_address_and_sets_no_markup(hostile):
    assert not re.search(r"https?://", hostile)
    assert not re.search(r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|eval\(|new Function", hostile)


def test_names_stay_data(hostile):
    facts = facts_of(hostile)
    assert facts["title"] == HOSTILE[0]
    assert facts["backends"][:2] == list(HOSTILE[:2])
    assert all(len(name) <= 160 and name.isprintable() for name in facts["backends"])
    assert hostile.count("</script>") == hostile.count("<script")
    assert facts["incidents"][0]["findings"][0]["backend"] == HOSTILE[0]


@given(
    st.recursive(
        st.text() | st.none() | st.floats(-1e9, 1e9), lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner)
    )
)
def test_json_in_the_page_is_plain_and_comes_back(document):
    text = harmless_json(document)
    assert not set(text) & set("<>&")
    assert text.isascii()
    assert json.loads(text) == document


@given(st.text(max_size=400))
def test_a_label_is_one_short_printable_line(text):
    shown = label(text)
    assert len(shown) <= 160 or len(text) <= 160
    assert all(char.isprintable() for char in shown)


def test_a_page_keeps_its_budget_by_leaving_the_stems_out_and_says_so(tmp_path):
    content = make_content(tmp_path, length_s=20.0)
    stems = {name: write_tone(tmp_path / f"{name}.wav", 20.0) for name in ("rust", "go")}
    whole = written(tmp_path, replace(content, stems=stems))
    assert facts_of(whole)["stems"] == ["rust", "go"]
    assert facts_of(whole)["left_out"] == []
    assert whole.count('id="sound-stem-') == 2
    bare = len(written(tmp_path, content))
    small = written(tmp_path, replace(content, stems=stems), budget_bytes=bare + 1000)
    assert len(small) <= bare + 1000
    assert facts_of(small)["left_out"] == ["stems"]
    assert 'id="sound-stem-' not in small


def test_a_page_that_cannot_fit_is_refused_and_what_was_there_stays(tmp_path):
    path = tmp_path / "page.html"
    path.write_text("before")
    content = make_content(tmp_path, length_s=20.0)
    with pytest.raises(RenderError, match=r"20 s of sound do not fit into a page of 0\.05 MB.*--length"):
        write_report(path, content, budget_bytes=50_000)
    assert path.read_text() == "before"
    assert not list(tmp_path.glob(".page*"))


def test_a_folder_that_is_not_there_is_a_render_error(tmp_path):
    with pytest.raises(RenderError, match="cannot be written"):
        write_report(tmp_path / "none" / "page.html", make_content(tmp_path))


def test_the_same_again_is_the_same_page(tmp_path):
    content = make_content(tmp_path)
    sound = re.compile(r'id="sound-mix"[^>]*>[^<]*')  # its container has a random serial number
    one, other = (sound.sub("", written(tmp_path, content)) for _ in range(2))
    assert one == other


def test_a_comparison_brings_its_own_columns(tmp_path):
    content = make_content(tmp_path)
    calm = make_recording(backends=("only",))
    other = Comparison("before", calm, content.timeline)
    facts = facts_of(written(tmp_path, replace(content, comparison=other)))
    assert facts["other"]["label"] == "before"
    assert facts["other"]["backends"] == ["only"]
    assert facts["sections"]["other_p95"]["shape"][1] == 1


def test_figures_that_are_no_numbers_are_null(tmp_path):
    content = replace(make_content(tmp_path), loudness_lufs=float("nan"), true_peak_dbtp=float("-inf"))
    facts = facts_of(written(tmp_path, content))
    assert facts["loudness_lufs"] is None
    assert facts["true_peak_dbtp"] is None
