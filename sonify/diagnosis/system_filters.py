"""The system read as a DAW reads a room: its compressor (load against latency), reverb (how issues fade), and EQ.

*Compressor*: at which load a backend's latency leaves its baseline (threshold), how steeply (ratio), how fast (attack),
and how fast it recovers (release). *Reverb*: how long issues last (decay), how many backends they touch (size), what
share of that time is recovery (damping). *EQ*: which backends and latencies carry the work (resonances), and which
hardly any (where it runs best). Work is rate × latency: by Little's law the number of requests in flight.
"""

from __future__ import annotations

from collections.abc import Sequence

from sonify.diagnosis.compressor import compressor_figures
from sonify.diagnosis.figure import Figure
from sonify.diagnosis.findings import Finding
from sonify.diagnosis.resonance import eq_figures
from sonify.diagnosis.reverb import reverb_figures
from sonify.metrics.recording import Recording

__all__ = ["system_filters"]


def system_filters(recording: Recording, findings: Sequence[Finding]) -> list[Figure]:
    """Measure all three filters; figures without enough data say so."""
    figures = [
        figure for index in range(recording.layout.num_backends) for figure in compressor_figures(recording, index)
    ]
    return [*figures, *reverb_figures(recording, findings), *eq_figures(recording)]
