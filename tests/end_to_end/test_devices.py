"""``sonify devices`` lists what there is, and says why there is nothing."""

import json
import subprocess
import sys


def test_devices_are_listed_whatever_is_installed():
    command = [sys.executable, "-m", "sonify", "devices"]
    shown = subprocess.run(command, capture_output=True, text=True, timeout=60, check=True).stdout
    for title in ("sound cards (--device):", "MIDI outputs (--midi, --surface):", "MIDI inputs (--midi-in):"):
        assert title in shown
    found = json.loads(subprocess.run([*command, "--json"], capture_output=True, timeout=60, check=True).stdout)
    assert set(found) == {"sound_cards", "midi_outputs", "midi_inputs", "problems"}
    assert bool(found["sound_cards"]) != any("sound card" in problem for problem in found["problems"])
