"""Findings in words: what is not well in a recording, since when, how sure, and what to do."""
