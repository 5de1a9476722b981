#!/usr/bin/env python3
"""Launcher for a checkout: ``python cli.py render …`` is ``sonify render …``."""

from sonify.commands import main

if __name__ == "__main__":
    main()
