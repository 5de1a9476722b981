"""The engine's clock: the sample rate, and the quantum at whose pace parameters move."""

from __future__ import annotations

__all__ = ["CONTROL_RATE_HZ", "QUANTUM_FRAMES", "SAMPLE_RATE_HZ"]

SAMPLE_RATE_HZ = 48_000
QUANTUM_FRAMES = 480
CONTROL_RATE_HZ = SAMPLE_RATE_HZ // QUANTUM_FRAMES
