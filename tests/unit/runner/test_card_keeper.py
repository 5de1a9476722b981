"""The keeper against a card whose every move a test decides; real servers are in end_to_end."""

import math

import numpy as np
import pytest

from sonify.outputs.sound_card import CardSettings
from sonify.runner.card_keeper import CardKeeper
from sonify.runner.outlet import History, Outlet, Pacer


class FakeCard:
    def __init__(self, settings):
        self.settings = settings
        self.name, self.rate_hz, self.latency_s, self.problem = "", 48_000, 0.02, ""
        self.underruns, self.callback_age_s = 0, math.nan
        self.num_ready = 0
        self.ended = False

    def poll(self):
        return bool(self.name) and not self.problem

    def write(self, audio):
        self.num_ready += len(audio)

    def end(self, _timeout_s=0.0):
        self.ended = True

    def finish(self):
        pass


class Stage:
    def __init__(self, **wanted):
        self.cards, self.joined, self.lost = [], [], []
        self.keeper = CardKeeper(CardSettings(**wanted), self.joined.append, self.lost.append, self.open)

    def open(self, settings):
        self.cards.append(FakeCard(settings))
        return self.cards[-1]

    def play(self, now_s):
        self.keeper.poll(now_s)
        self.cards[-1].name = "card"
        self.keeper.poll(now_s)
        self.cards[-1].callback_age_s = 0.01


def test_a_card_that_opens_joins():
    stage = Stage()
    stage.play(0.0)
    assert stage.keeper.name == "card"
    assert len(stage.joined) == 1
    assert stage.keeper.callback_age_s == 0.01


def test_one_that_stops_asking_is_given_up_and_opened_again_within_a_second():
    stage = Stage()
    stage.play(0.0)
    stage.cards[0].underruns = 3
    stage.cards[0].callback_age_s = 0.4
    stage.keeper.poll(0.4)
    assert not stage.lost
    stage.cards[0].callback_age_s = 0.6
    stage.keeper.poll(0.6)
    assert len(stage.lost) == 1
    assert stage.cards[0].ended
    assert "stopped asking" in stage.keeper.problem
    stage.play(1.15)
    assert len(stage.joined) == 2
    assert stage.keeper.problem == ""
    assert stage.keeper.underruns == 3


def test_one_that_never_opens_is_given_up():
    stage = Stage()
    stage.keeper.poll(0.0)
    stage.keeper.poll(2.9)
    assert not stage.cards[0].ended
    stage.keeper.poll(3.1)
    assert stage.cards[0].ended
    assert "does not answer" in stage.keeper.problem


def test_one_that_says_why_is_given_up_at_once():
    stage = Stage()
    stage.keeper.poll(0.0)
    stage.cards[0].problem = "no sound card"
    stage.keeper.poll(0.1)
    assert stage.keeper.problem == "no sound card"
    assert not stage.keeper.is_opening


def test_where_a_named_card_is_gone_the_default_stands_in_and_then_it_is_tried_again():
    stage = Stage(device="usb", rate_hz=44_100)
    stage.play(0.0)
    wanted = []
    for second in range(1, 6):
        stage.keeper.poll(float(second))
        stage.cards[-1].problem = "gone"
        stage.keeper.poll(second + 0.1)
        wanted.append((stage.cards[-1].settings.device, stage.cards[-1].settings.rate_hz))
    assert wanted[1:] == [("", 0), ("usb", 44_100), ("", 0), ("usb", 44_100)]


def test_one_that_was_named_and_never_there_has_no_stand_in():
    stage = Stage(device="ubs")
    for second in range(3):
        stage.keeper.poll(float(second))
        stage.cards[-1].problem = "no sound card 'ubs'"
        stage.keeper.poll(second + 0.1)
    assert {card.settings.device for card in stage.cards} == {"ubs"}


# -- pace ----------------------------------------------------------------------------------------------------------


def test_without_a_card_the_clock_sets_the_pace():
    pacer = Pacer(0.1, 50.0)
    assert pacer.wait_s(None, 50.0) == pytest.approx(-0.1)
    pacer.add(9600)
    assert pacer.wait_s(None, 50.0) == pytest.approx(0.1)
    assert pacer.wait_s(None, 50.3) == pytest.approx(-0.2)


def test_a_card_sets_the_pace_and_where_it_stopped_the_clock_goes_on():
    pacer, card = Pacer(0.1, 0.0), FakeCard(CardSettings())
    outlet = Outlet(card)
    pacer.add(48_000)
    card.num_ready = 9600
    assert pacer.wait_s(outlet, 1.0) == pytest.approx(0.1)
    card.callback_age_s = 0.6
    pacer.lose(outlet, 1.6)  # 0.8 s were played at 1.0 s; now it is 1.6 s, and 0.1 s should be ready
    assert pacer.wait_s(None, 1.6) == pytest.approx(-0.5)


def test_what_a_machine_slept_through_is_not_made_up_for():
    pacer = Pacer(0.1, 0.0)
    assert pacer.wait_s(None, 3600.0) < 0.0
    assert pacer.wait_s(None, 3600.0) == pytest.approx(-0.1)


def test_a_card_that_joins_begins_with_what_is_ready():
    pacer = Pacer(0.1, 0.0)
    pacer.add(9600)
    assert pacer.ready_frames(0.1) == 4800
    assert pacer.ready_frames(9.0) == 0


def test_history_keeps_the_newest():
    history = History(1000)
    audio = np.arange(5000, dtype=np.float32).reshape(2500, 2)
    for begin in range(0, 2500, 130):
        history.write(audio[begin : begin + 130])
    np.testing.assert_array_equal(history.newest(700), audio[-700:])
