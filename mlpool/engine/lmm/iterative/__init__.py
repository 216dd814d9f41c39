"""Crossed factors without a dense block: start with `fit.py`."""
