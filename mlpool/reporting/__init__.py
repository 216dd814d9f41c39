"""A fitted model in words: the paragraph that goes into a paper or a homework.

May import parameters, performance, checks and everything below. Start reading in ``report.py``.
"""

from mlpool.reporting.report import Report, report

__all__ = ["Report", "report"]
