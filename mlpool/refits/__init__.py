"""A model fitted again: to new responses, rows, formulas, without a term, with a parameter held.

May import models and everything below. Start reading in ``refit.py``.
"""
