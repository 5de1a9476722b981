"""Devices that have only so many colours: the nearest one."""

from __future__ import annotations

from functools import lru_cache

from sonify.midi.surfaces.parts import Light
from sonify.midi.surfaces.roles import Glow

__all__ = ["nearest"]


@lru_cache(maxsize=4096)
def nearest(palette: tuple[Light, ...], glow: Glow) -> Light:
    """Colour of a palette that is nearest to a glow; one that is not dark never becomes dark."""
    wanted = [127.0 * part for part in glow[:3]]
    is_lit = max(wanted) > 0.0
    allowed = [light for light in palette if max(light[:3]) > 0 or not is_lit]
    best = min(allowed, key=lambda light: sum((a - b) ** 2 for a, b in zip(light[:3], wanted, strict=True)))
    return best._replace(blinks=glow.blinks)
