"""Lint: what a listener will and will not hear of a preset, predicted from models of hearing without making a sound."""
