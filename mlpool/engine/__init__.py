"""Numbers only: cross-products, the mixed-model criterion with its gradient, the optimiser.

May import errors, typing, families and formula.types; knows no frames and prints nothing.
Start reading in ``lmm.py``; the mathematics is in ``chain.py`` (one factor, nested) and
``crossed.py``.
"""
