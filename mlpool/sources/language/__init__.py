"""Columns and expressions of a formula in narwhals' lazy language."""
