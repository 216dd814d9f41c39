"""Data intake: any data frame, dict or file becomes a :class:`Frame` of checked columns.

The only place that knows which data-frame libraries exist. May import errors and typing only.
Start reading in ``intake.py``.
"""

from mlpool.frames.emit import with_columns
from mlpool.frames.held import hold
from mlpool.frames.intake import Frame, read_frame
from mlpool.frames.levels import Column, factor

__all__ = ["Column", "Frame", "factor", "hold", "read_frame", "with_columns"]
