"""Run as a program by midi_servers: a device with ports ``in`` and ``out`` on a JACK server.

Each message heard is a line ``TIME HEX`` on standard output; each line of hex on standard input is sent.
"""

from __future__ import annotations

import sys
import threading
import time


def _run(name: str) -> None:
    import rtmidi

    lines = threading.Lock()

    def hear(event: tuple[list[int], float], _data: object = None) -> None:
        with lines:
            print(f"{time.monotonic():.6f} {bytes(event[0]).hex()}", flush=True)

    heard, sent = rtmidi.MidiIn(rtmidi.API_UNIX_JACK, name=name), rtmidi.MidiOut(rtmidi.API_UNIX_JACK, name=name)
    heard.ignore_types(False, False, False)
    heard.set_callback(hear)
    heard.open_virtual_port("in")
    sent.open_virtual_port("out")
    with lines:
        print("ready", flush=True)
    for line in sys.stdin:
        sent.send_message(bytes.fromhex(line))
    for end in (heard, sent):
        end.close_port()
        end.delete()


if __name__ == "__main__":
    _run(sys.argv[1])
