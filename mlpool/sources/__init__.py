"""Rows that stay where they are: files, databases and clusters that answer aggregate queries.

A fit needs sums, and sums can be made by whatever holds the rows. ``scan.py`` says what may hold
them, ``language/expressions.py`` writes a formula in narwhals' lazy language, ``survey.py`` asks
what the variables are like and ``sums.py`` for the sums themselves. Imports ``formula``,
``engine`` and below; no other room knows of queries.
"""

from mlpool.sources.scan import Scan, read_rows, scan, showing_queries, with_memory_limit

__all__ = ["Scan", "read_rows", "scan", "showing_queries", "with_memory_limit"]
