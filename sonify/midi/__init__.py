"""MIDI: the same score as notes, controllers and percussion; files, ports, and control surfaces."""
