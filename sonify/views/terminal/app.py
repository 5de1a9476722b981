"""The textual app: a clock, keys, and one widget that shows the picture."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from typing import ClassVar

from textual.app import App, ComposeResult
from textual.binding import Binding, BindingType
from textual.geometry import Region
from textual.strip import Strip
from textual.timer import Timer
from textual.widget import Widget

from sonify.views.live_view import LiveView
from sonify.views.terminal.board import Board, SoundOf, shipped_sound
from sonify.views.terminal.palette import ColourMode, palette
from sonify.views.terminal.picture import Picture

__all__ = ["REFRESH_HZ", "TerminalView"]

REFRESH_HZ = 12.0
LARGE_REFRESH_HZ = 10.0  # of a large terminal, where a picture costs more
_LARGE_CELLS = 8000
_FIGURES_EVERY = 5  # pictures: figures that change more often cannot be read
_TRIM_STEP_DB = 1.0
_AMOUNT_STEP = 0.1


class _Screenful(Widget):
    """Shows the rows of a picture; only what changed is sent to the terminal."""

    DEFAULT_CSS = "_Screenful { width: 100%; height: 100%; }"

    def __init__(self, picture: Picture) -> None:
        super().__init__()
        self._picture = picture
        self._strips: dict[int, Strip] = {}

    def redraw(self, *, everything: bool) -> None:
        """Draw the picture anew."""
        width, height = self.size
        if width and height:
            changed = self._picture.draw(width, height, everything=everything)
            if changed:
                for rect in changed:
                    for y in range(rect.y, rect.y + rect.height):
                        self._strips.pop(y, None)
                self.refresh(*(Region(rect.x, rect.y, rect.width, rect.height) for rect in changed))

    def render_lines(self, crop: Region) -> list[Strip]:
        """Rows of a region, without the style cache: the picture has its own."""
        width = self.size.width
        return [self._strip(y, width).crop(crop.x, crop.right) for y in range(crop.y, crop.bottom)]

    def _strip(self, y: int, width: int) -> Strip:
        strip = self._strips.get(y)
        if strip is None or strip.cell_length != width:
            strip = self._strips[y] = Strip(self._picture.row(y), width)
        return strip

    def on_resize(self) -> None:
        """Draw for the new size at once."""
        self.redraw(everything=True)


class TerminalView(App[None]):
    """The live engine, watched and turned.

    Parameters
    ----------
    live : LiveView
        The engine.
    sound_of : callable
        Which sound preset plays.
    mode : ColourMode or None
        None: what the terminal can show; no colour where ``NO_COLOR`` is set.
    clock : callable
        Seconds, never falling.
    """

    ENABLE_COMMAND_PALETTE = False
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("q,Q,ctrl+c,ctrl+q", "leave", priority=True),
        Binding("space,m", "mute"),
        Binding("up", "trim(1)"),
        Binding("down", "trim(-1)"),
        Binding("left", "select(-1)"),
        Binding("right", "select(1)"),
        Binding("s", "solo"),
        Binding("x", "mute_backend"),
        Binding("a", "acknowledge"),
        Binding("n", "preset(1)"),
        Binding("p", "preset(-1)"),
        Binding("e", "choose('eq')"),
        Binding("c", "choose('compressor')"),
        Binding("r", "choose('reverb')"),
        Binding("plus,equals_sign", "amount(1)"),
        Binding("minus,underscore", "amount(-1)"),
        Binding("question_mark,h,f1", "help"),
        Binding("escape", "close_help"),
    ]

    def __init__(
        self,
        live: LiveView,
        sound_of: SoundOf = shipped_sound,
        *,
        mode: ColourMode | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        no_colour = bool(os.environ.get("NO_COLOR"))
        super().__init__(ansi_color=True)
        self._live = live
        self._clock = clock
        self.board = Board(palette(mode or self._mode(no_colour)), live.snapshot(), sound_of)
        self._screenful = _Screenful(Picture(self.board))
        self._ticks = 0
        self._refresh_hz = 0.0
        self._timer: Timer | None = None
        self.failure: BaseException | None = None

    def _mode(self, no_colour: bool) -> ColourMode:
        if no_colour or self.console.color_system is None:
            return ColourMode.NONE
        return ColourMode.TRUE if self.console.color_system in ("truecolor", "256") else ColourMode.SIXTEEN

    def compose(self) -> ComposeResult:
        """One widget is all."""
        yield self._screenful

    def on_mount(self) -> None:
        """Start the clock."""
        self._start_clock()

    def on_resize(self) -> None:
        """Let the clock fit the size."""
        self._start_clock()

    def _start_clock(self) -> None:
        refresh_hz = LARGE_REFRESH_HZ if self.size.width * self.size.height > _LARGE_CELLS else REFRESH_HZ
        if refresh_hz != self._refresh_hz:
            if self._timer is not None:
                self._timer.stop()
            self._refresh_hz = refresh_hz
            self._timer = self.set_interval(1.0 / refresh_hz, self.tick)

    def tick(self) -> None:
        """Take a snapshot, and show it."""
        try:
            if not self._live.is_running:
                self.exit()
                return
            self.board.update(self._live.snapshot(), self._clock())
            self._screenful.redraw(everything=self._ticks % _FIGURES_EVERY == 0)
            self._ticks += 1
        except Exception as error:  # the terminal is put in order first, then whoever called is told
            self.failure = error
            self.exit()

    def _turned(self) -> None:
        """Show what a key did without waiting for the figures' turn."""
        self._ticks = 0
        self.tick()

    def action_leave(self) -> None:
        """End."""
        self.exit()

    def action_mute(self) -> None:
        """Mute everything, or not."""
        self._live.controls.toggle_mute()
        self._turned()

    def action_trim(self, steps: int) -> None:
        """Louder or quieter."""
        self._live.controls.trim(steps * _TRIM_STEP_DB)
        self._turned()

    def action_select(self, step: int) -> None:
        """Select another backend."""
        self.board.select(step)
        self._turned()

    def action_solo(self) -> None:
        """Solo the selected backend."""
        if self.board.backends:
            self._live.controls.toggle_solo(self.board.backends[self.board.selected])
            self._turned()

    def action_mute_backend(self) -> None:
        """Mute the selected backend."""
        if self.board.backends:
            self._live.controls.toggle_backend_mute(self.board.backends[self.board.selected])
            self._turned()

    def action_acknowledge(self) -> None:
        """Acknowledge the alarms that stand."""
        self._live.controls.acknowledge()
        self._turned()

    def action_preset(self, steps: int) -> None:
        """Next preset, or the one before."""
        self._live.controls.step_preset(steps)
        self._turned()

    def action_choose(self, stage: str) -> None:
        """Choose which tuning filter + and − turn."""
        self.board.amount = stage
        self._turned()

    def action_amount(self, steps: int) -> None:
        """Turn the chosen tuning filter."""
        stage, controls = self.board.amount, self._live.controls
        controls.set_amount(stage, round(getattr(controls.knobs, stage) + steps * _AMOUNT_STEP, 3))
        self._turned()

    def action_help(self) -> None:
        """Show or hide the help."""
        self.board.shows_help = not self.board.shows_help
        self._turned()

    def action_close_help(self) -> None:
        """Hide the help."""
        self.board.shows_help = False
        self._turned()
