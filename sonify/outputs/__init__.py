"""Where sound goes: files, and later sound card and MIDI."""
