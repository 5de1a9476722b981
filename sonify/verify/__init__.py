"""Verify: decode the panels from the sound alone, and compare them with what went in."""
