"""Saved models: a zip of one JSON record and plain arrays, safe to open from a stranger.

Nothing in a file is executed or imported by name; docs/model_files.md documents the format. Start
reading in ``model_file.py``.
"""

from mlpool.files.model_file import load_model, save_model

__all__ = ["load_model", "save_model"]
