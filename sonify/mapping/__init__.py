"""From metric frames to a score: which partials, how loud. No I/O but presets, no audio."""
