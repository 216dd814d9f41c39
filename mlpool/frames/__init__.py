"""Data intake: any data frame, dict or file becomes a :class:`Frame` of checked columns.

The only place that knows which data-frame libraries exist. May import errors and typing only.
Start reading in ``intake.py``.
"""

from mlpool.frames.frame_snapshot import HeldFrame, hold, with_answer
from mlpool.frames.intake import Frame, read_frame
from mlpool.frames.levels import Column, factor
from mlpool.frames.to_native import with_columns

__all__ = [
    "Column",
    "Frame",
    "HeldFrame",
    "factor",
    "hold",
    "read_frame",
    "with_answer",
    "with_columns",
]
