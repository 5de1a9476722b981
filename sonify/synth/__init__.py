"""Voices: a score becomes dry buses. One voice a file; each adds to its bus and keeps only what survives a quantum."""
