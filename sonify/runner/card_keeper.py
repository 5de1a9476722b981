"""Keeping a sound card: opened, watched, and opened again whatever happens to it."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace

from sonify.errors import DeviceError
from sonify.outputs.sound_card import CardSettings, SoundCard
from sonify.runner.outlet import Outlet

__all__ = ["CardKeeper"]

_SILENT_S = 0.5  # a card that has not asked for audio this long is lost
_OPEN_TIMEOUT_S = 3.0
_RETRY_S = 0.5


class CardKeeper:
    """Hold at most one card; `poll` many times a second.

    Parameters
    ----------
    settings : CardSettings
        What is wanted. Where a card that was named is gone after it has played, the default one stands in for it.
    attach : callable
        Told of a card that is open: it writes what is ready, and starts it.
    detach : callable
        Told of a card that is lost.
    open_card : callable
        Makes a card; for tests.

    Attributes
    ----------
    problem : str
        Why nothing plays; empty while all is well, or while a card is first being opened.
    name : str
        Of the card that plays; empty without one.
    has_played : bool
        Whether any card was ever open.
    """

    def __init__(
        self,
        settings: CardSettings,
        attach: Callable[[Outlet], None],
        detach: Callable[[Outlet], None],
        open_card: Callable[[CardSettings], SoundCard] = SoundCard,
    ) -> None:
        self._settings = settings
        self._attach, self._detach = attach, detach
        self._open_card = open_card
        self._card: SoundCard | None = None
        self._outlet: Outlet | None = None
        self._since_s = -math.inf
        self._named_failed = False
        self.problem = ""
        self.name = ""
        self.has_played = False
        self._past_underruns = 0

    @property
    def underruns(self) -> int:
        """Of all cards so far."""
        return self._past_underruns + (self._card.underruns if self._card is not None else 0)

    @property
    def callback_age_s(self) -> float:
        """Of the card that plays; NaN without one."""
        return self._outlet.card.callback_age_s if self._outlet is not None else math.nan

    @property
    def is_opening(self) -> bool:
        """Whether one has been tried and not been given up yet."""
        return self._card is not None

    def poll(self, now_s: float) -> None:
        """Open, watch or give up a card."""
        if self._card is None:
            if now_s - self._since_s >= _RETRY_S:
                self._open(now_s)
            return
        is_open = self._card.poll()
        if self._outlet is None:
            if is_open:
                self._join(self._card, now_s)
            elif self._card.problem or now_s - self._since_s > _OPEN_TIMEOUT_S:
                self._give_up(self._card.problem or "the sound system does not answer", now_s)
            return
        age_s = self._card.callback_age_s
        silent_s = now_s - self._since_s if math.isnan(age_s) else age_s
        if not is_open or silent_s > (_OPEN_TIMEOUT_S if math.isnan(age_s) else _SILENT_S):
            self._give_up(self._card.problem or "the sound card has stopped asking for audio", now_s)

    def _open(self, now_s: float) -> None:
        settings = self._settings
        if self._named_failed:
            settings = replace(settings, device="", rate_hz=0)
        self._since_s = now_s
        try:
            self._card = self._open_card(settings)
        except OSError as error:
            self.problem = f"the sound card's process cannot be started: {error.strerror or error}"

    def _join(self, card: SoundCard, now_s: float) -> None:
        try:
            self._outlet = Outlet(card)
        except DeviceError as error:
            self._give_up(str(error), now_s)
            return
        self._since_s = now_s
        self.problem, self.name, self.has_played = "", card.name, True
        self._attach(self._outlet)

    def _give_up(self, problem: str, now_s: float) -> None:
        card, outlet = self._card, self._outlet
        self._card = self._outlet = None
        # one that was named and cannot be had leaves its place to the default, and is tried again after that
        self._named_failed = self.has_played and bool(self._settings.device) and not self._named_failed
        self.problem, self.name, self._since_s = problem, "", now_s
        if outlet is not None:
            self._detach(outlet)
        if card is not None:
            self._past_underruns += card.underruns
            card.end()

    def close(self, timeout_s: float) -> None:
        """Let the card play what it has, and end it."""
        card, self._card, self._outlet = self._card, None, None
        if card is not None:
            self._past_underruns += card.underruns
            card.finish()
            card.end(timeout_s)
