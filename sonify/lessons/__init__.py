"""Lessons for the ear: the legend of a preset, and a quiz; both are made of metric frames and played by the engine."""
