"""Control surfaces: what a device shows of a scene, and what somebody means who touches it. No port, no clock.

A profile is one file: a table of the device's controls, each with what it is for, and the bytes both ways.
"""
