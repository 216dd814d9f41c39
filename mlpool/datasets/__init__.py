"""Owns the bundled data sets: `load_data`, `datasets`, their files and the manifest.

May import errors, typing and tables-level rows only; pandas is imported when a set is read.
Start reading in ``catalog.py``.
"""

from mlpool.datasets.catalog import DatasetInfo, dataset_info, dataset_names
from mlpool.datasets.load import datasets, load_data

__all__ = ["DatasetInfo", "dataset_info", "dataset_names", "datasets", "load_data"]
