"""Owns the bundled data sets: `load_data`, `datasets`, their files and the manifest.

May import errors, typing and tables-level rows only; pandas is imported when a set is read.
Start reading in ``catalog.py``.
"""

from mlpool.datasets.catalog import DatasetInfo, dataset_info, dataset_names
from mlpool.datasets.load import datasets as _datasets
from mlpool.datasets.load import load_data
from mlpool.r_spellings import answering

__all__ = ["DatasetInfo", "dataset_info", "dataset_names", "datasets", "load_data"]

datasets = answering(_datasets, "datasets")
