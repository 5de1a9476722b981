"""The report page in a real browser, from its file: it plays, seeks and shows one time everywhere."""

import gzip
import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from browser import Browser
from servers import require_program

ROOT = Path(__file__).parents[2]
LENGTH_S = 15.0
NAMES = ["</script><script>document.title='broken'</script>", "\"'><img src=x onerror=alert(1)>", "x" * 10_000]
NAMES += ["\u202eevil\u2066", "nul\0and\u2028line", "{{data}}"]

# what the page shows, all of it taken in one frame
LOOK = """new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(() => {
  const audio = document.getElementById("audio");
  const heads = [...document.querySelectorAll(".playhead")].map((one) => one.getBoundingClientRect().left);
  const box = document.getElementById("overview").getBoundingClientRect();
  done({ time: audio.currentTime, playing: !audio.paused, heads, left: box.left, width: box.width,
         shown: document.getElementById("sound-time").textContent });
})))"""
LEFT, RIGHT = 58, 62  # of the plots, in CSS pixels, where the window is wide


def seconds_at(look, x):
    return (x - look["left"] - LEFT) / (look["width"] - LEFT - RIGHT) * LENGTH_S


@pytest.fixture(scope="module")
def page(tmp_path_factory):
    """A report of the shipped incident whose backends have hostile names."""
    folder = tmp_path_factory.mktemp("report")
    lines = gzip.decompress((ROOT / "samples" / "incident.jsonl.gz").read_bytes()).decode().splitlines()
    header = json.loads(lines[0])
    header["backends"] = NAMES
    recording = folder / "hostile.jsonl"
    recording.write_text("\n".join([json.dumps(header), *lines[1:]]) + "\n", encoding="utf-8")
    path = folder / "report.html"
    wanted = ["-o", folder / "hostile.wav", "--report", path, "--stems", folder / "stems", "--length", f"{LENGTH_S:g}s"]
    done = subprocess.run(
        [sys.executable, "-m", "sonify", "render", str(recording), *map(str, wanted)],
        capture_output=True, text=True, timeout=300, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return path


@pytest.fixture(scope="module")
def started(tmp_path_factory):
    with Browser(require_program("chromium"), tmp_path_factory.mktemp("profile")) as browser:
        yield browser


@pytest.fixture
def browser(started, page):
    started.open(page)
    started.until("document.querySelectorAll('.track').length > 8")
    yield started
    assert started.complaints() == []


def test_it_plays_and_every_playhead_is_in_step(browser):
    browser.press(" ")
    browser.until("document.getElementById('audio').currentTime > 0.3")
    for _ in range(20):
        look = browser.evaluate(LOOK)
        assert look["playing"]
        assert len(look["heads"]) == 2  # one through the player, one through all panels
        for head in look["heads"]:
            assert seconds_at(look, head) == pytest.approx(look["time"], abs=0.05)
    browser.press("k")
    assert not browser.evaluate(LOOK)["playing"]


def test_a_click_seeks_and_a_drag_goes_on(browser):
    for place in ("#overview", "#track-latency .plot canvas", "#track-queue_depth .plot canvas"):
        browser.evaluate(f"document.querySelector('{place}').scrollIntoView({{block: 'center', behavior: 'instant'}})")
        box = browser.evaluate(f"document.querySelector('{place}').getBoundingClientRect().toJSON()")
        browser.press("Home")
        y = box["top"] + box["height"] / 2
        for kind, share in (("mousePressed", 0.25), ("mouseMoved", 0.5), ("mouseMoved", 0.75), ("mouseReleased", 0.75)):
            browser.mouse(kind, box["left"] + LEFT + share * (box["width"] - LEFT - RIGHT), y)
        look = browser.evaluate(LOOK)
        assert look["time"] == pytest.approx(0.75 * LENGTH_S, abs=0.05)
        assert seconds_at(look, look["heads"][0]) == pytest.approx(0.75 * LENGTH_S, abs=0.05)


def test_keys(browser):
    def time():
        return browser.evaluate("document.getElementById('audio').currentTime")

    steps = [("l", 5.0), ("ArrowRight", 6.0), ("j", 1.0), ("ArrowLeft", 0.0), ("End", LENGTH_S), ("Home", 0.0)]
    for key, wanted in steps:
        browser.press(key)
        assert time() == pytest.approx(wanted, abs=0.05)
    browser.press("n")
    first = time()
    assert first == pytest.approx(LENGTH_S * 4 / 15, abs=0.2)  # the fault begins at minute 4 of 15
    assert "latency" in browser.evaluate("document.getElementById('notice').textContent")
    browser.press("End")
    browser.press("p")
    assert time() >= first
    browser.press("?")
    assert browser.evaluate("document.getElementById('help').open")
    browser.press("Escape")
    assert not browser.evaluate("document.getElementById('help').open")


def test_markers_and_findings_are_links_into_the_sound(browser):
    links = browser.evaluate("document.querySelectorAll('#findings-list .jump, #markers .jump').length")
    assert links >= 3
    browser.evaluate("document.querySelector('#markers .jump').click()")
    assert browser.evaluate(LOOK)["time"] == pytest.approx(LENGTH_S * 4 / 15, abs=0.1)


def test_hostile_names_are_text(browser):
    assert "broken" not in browser.evaluate("document.title")
    assert browser.evaluate("document.images.length") == 0
    names = browser.evaluate("[...document.querySelectorAll('#names bdi')].map((one) => one.textContent)")
    assert names[0] == NAMES[0]
    assert names[1] == NAMES[1]
    assert len(names[2]) <= 160
    assert not any(set(name) & set("\u202e\u2066\0\u2028") for name in names)
    assert names[5] == "{{data}}"


def test_its_own_policy_lets_nothing_out(started, page):
    started.open(page)
    blocked = """new Promise((done) => {
      const found = [];
      addEventListener("securitypolicyviolation", (event) => found.push(event.effectiveDirective));
      fetch("http://127.0.0.1:9/").catch(() => {});
      new Image().src = "http://127.0.0.1:9/";
      const script = document.createElement("script");
      script.textContent = "document.title = 'broken'";
      document.body.append(script);
      document.body.setAttribute("style", "background: red");
      setTimeout(() => done([found.sort(), document.title]), 300);
    })"""
    found, title = started.evaluate(blocked)
    assert {"connect-src", "img-src", "script-src-elem", "style-src-attr"} <= set(found)
    assert title != "broken"


def test_a_muted_stem_takes_the_mix_s_place_and_gives_it_back(browser):
    browser.press(" ")
    browser.evaluate("document.querySelector('#stems-list .muted').click()")
    browser.until("document.getElementById('audio').muted && document.getElementById('notice').textContent === ''")
    assert browser.evaluate("document.querySelector('#stems-list .muted').getAttribute('aria-pressed')") == "true"
    browser.evaluate("document.querySelector('#stems-list .muted').click()")
    browser.until("!document.getElementById('audio').muted")


def test_the_legend_can_be_heard(browser):
    assert browser.evaluate("document.querySelectorAll('.scenes button').length") >= 10
    browser.evaluate("document.querySelector('.scenes button').click()")
    browser.until("document.querySelector('.scenes button').textContent === '\u25a0'")
    browser.evaluate("document.querySelector('.scenes button').click()")
    browser.until("document.querySelector('.scenes button').textContent === '\u25b8'")


def test_every_picture_has_words_and_every_panel_a_table(browser):
    labels = browser.evaluate("[...document.querySelectorAll('canvas:not([aria-hidden])')].map((one) => one.ariaLabel)")
    assert len(labels) >= 12
    assert all(labels)
    browser.evaluate("document.querySelectorAll('details.table').forEach((one) => (one.open = true))")
    browser.until("document.querySelectorAll('details.table table').length >= 8")
    buttons = browser.evaluate(
        "[...document.querySelectorAll('button:not([hidden])')].map((one) => one.ariaLabel || one.textContent.trim())"
    )
    assert all(buttons)
    assert browser.evaluate("document.getElementById('overview').ariaValueText").startswith("0:00 of 0:15")


@pytest.mark.parametrize("scheme", ["dark", "light"])
def test_it_follows_the_system_s_theme_and_its_text_can_be_read(browser, scheme):
    browser.call("Emulation.setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": scheme}])
    browser.until(f"document.documentElement.dataset.theme === '{scheme}'")
    colours = browser.evaluate(
        "Object.fromEntries(['panel', 'text', 'dim', 'yellow', 'red', 'accent', 'stale'].map((name) =>"
        " [name, getComputedStyle(document.documentElement).getPropertyValue('--' + name).trim()]))"
    )
    for name, colour in colours.items():
        if name != "panel":
            assert contrast(colour, colours["panel"]) >= (4.5 if name in ("text", "dim", "accent") else 3.0), name


def contrast(one, other):
    """Contrast ratio of two colours (WCAG 2)."""

    def luminance(colour):
        digits = colour.lstrip("#")
        digits = "".join(2 * digit for digit in digits) if len(digits) == 3 else digits
        channels = np.array([int(digits[place : place + 2], 16) / 255 for place in (0, 2, 4)])
        linear = np.where(channels <= 0.04045, channels / 12.92, ((channels + 0.055) / 1.055) ** 2.4)
        return float(linear @ [0.2126, 0.7152, 0.0722])

    dark, light = sorted((luminance(one), luminance(other)))
    return (light + 0.05) / (dark + 0.05)


@pytest.mark.parametrize("width", [360, 800, 1600])
def test_it_fits_any_width(browser, width):
    browser.call("Emulation.setDeviceMetricsOverride", width=width, height=800, deviceScaleFactor=2, mobile=width < 500)
    try:
        browser.until(f"innerWidth === {width}")
        browser.evaluate(LOOK)
        assert browser.evaluate("document.documentElement.scrollWidth") <= width
    finally:
        browser.call("Emulation.clearDeviceMetricsOverride")


def test_it_prints_and_is_as_it_was_afterwards(browser):
    before = browser.evaluate("document.documentElement.dataset.theme")
    printed = browser.call("Page.printToPDF", printBackground=True)
    assert len(printed["data"]) > 50_000
    browser.until(f"document.documentElement.dataset.theme === '{before}'")
