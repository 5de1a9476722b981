"""The textual app on a terminal that is none: keys, sizes, ends."""

import asyncio

import pytest
from fake_live import FakeLive, healthy, incident, snapshot_of

from sonify.views.terminal.app import TerminalView
from sonify.views.terminal.palette import ColourMode


def grid(app):
    """Text of the screen as textual would send it."""
    lines = app.screen._compositor.render_strips(app.size)
    assert len(lines) == app.size.height
    return ["".join(segment.text for segment in strip) for strip in lines]


def watched(live, size, keys=(), mode=ColourMode.TRUE, then=lambda _: None):
    async def watch():
        app = TerminalView(live, mode=mode)
        async with app.run_test(size=size) as pilot:
            for key in keys:
                await pilot.press(key)
            if app.is_running:
                app._turned()
                await pilot.pause()
                return app, grid(app), then(app)
        return app, [], None

    return asyncio.run(watch())


@pytest.mark.parametrize("size", [(80, 24), (120, 40), (200, 60)])
@pytest.mark.parametrize("make", [healthy, incident])
def test_the_screen_shows_the_picture(size, make):
    app, lines, _ = watched(FakeLive(lambda _: make()), size)
    expected = ["".join(segment.text for segment in app._screenful._picture.row(y)) for y in range(size[1])]
    assert lines == expected
    assert "SPECTRUM" in "\n".join(lines)


KEYS = [
    ("space", lambda knobs: knobs.is_muted),
    ("m", lambda knobs: knobs.is_muted),
    ("up", lambda knobs: knobs.trim_db == 1.0),
    ("down", lambda knobs: knobs.trim_db == -1.0),
    ("s", lambda knobs: knobs.soloed == {"rust"}),
    ("x", lambda knobs: knobs.muted == {"rust"}),
    ("a", lambda knobs: knobs.acknowledged == 1),
    ("n", lambda knobs: knobs.preset_steps == 1),
    ("p", lambda knobs: knobs.preset_steps == -1),
    ("plus", lambda knobs: knobs.eq == 1.1),
    ("right,right,s", lambda knobs: knobs.soloed == {"go"}),
    ("left,x", lambda knobs: knobs.muted == {"julia"}),
    ("c,minus,minus", lambda knobs: knobs.compressor == 0.8),
    ("r,plus", lambda knobs: knobs.reverb == 1.1),
    ("r,e,minus", lambda knobs: (knobs.eq, knobs.reverb) == (0.9, 1.0)),
]


@pytest.mark.parametrize(("keys", "turned"), KEYS, ids=[keys for keys, _ in KEYS])
def test_every_key_turns_its_control(keys, turned):
    live = FakeLive(lambda _: healthy())
    watched(live, (80, 24), keys.split(","))
    assert turned(live.controls.knobs)


@pytest.mark.parametrize("key", ["q", "ctrl+c"])
def test_the_keys_that_quit(key):
    app, lines, _ = watched(FakeLive(lambda _: healthy()), (80, 24), [key])
    assert lines == []
    assert app.return_code == 0


def test_what_a_key_did_is_seen_at_once():
    _, lines, _ = watched(FakeLive(lambda _: healthy()), (80, 24), ["space", "up"])
    assert " MUTED " in lines[0]
    assert "trim +1.0 dB" in lines[0]


def test_the_help_comes_and_goes():
    _, lines, _ = watched(FakeLive(lambda _: healthy()), (80, 24), ["question_mark"])
    assert "KEYS AND SIGNS" in "\n".join(lines)
    _, lines, _ = watched(FakeLive(lambda _: healthy()), (80, 24), ["question_mark", "escape"])
    assert "SPECTRUM" in "\n".join(lines)


def test_the_view_ends_when_the_engine_does():
    app, _, _ = watched(FakeLive(lambda _: healthy(), most=2), (80, 24), ["up"] * 3)
    assert app.failure is None
    assert not app.is_running


def test_a_failure_of_the_view_is_handed_on_and_not_printed_over_the_screen():
    def make(index):
        if index > 2:
            raise ValueError("broken")
        return healthy()

    app, _, _ = watched(FakeLive(make), (80, 24), ["up"] * 4)
    assert isinstance(app.failure, ValueError)


def test_no_colour_means_no_colour(monkeypatch):
    monkeypatch.setenv("NO_COLOR", "1")
    app, _, styles = watched(
        FakeLive(lambda index: snapshot_of(60 + index % 20)),
        (80, 24),
        mode=None,
        then=lambda app: [
            segment.style for strip in app.screen._compositor.render_strips(app.size) for segment in strip
        ],
    )
    assert app.board.palette.mode is ColourMode.NONE
    assert all(style is None or (style.color is None and style.bgcolor is None) for style in styles)


def test_markup_in_a_name_is_shown_as_it_is():
    live = FakeLive(lambda _: healthy(notices=("[bold]not bold[/bold] [link=x]",)))
    _, lines, _ = watched(live, (80, 24))
    assert "[bold]not bold[/bold] [link=x]" in "\n".join(lines)
