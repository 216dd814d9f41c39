"""Numbers only: cross-products, the mixed-model criterion with its gradient, the optimiser.

May import errors, typing, families and formula.types; knows no frames and prints nothing.
Start reading in ``lmm.py``; the mathematics is in ``one_factor.py`` (one grouping factor) and in
``several.py`` with ``cholesky.py`` (nested and crossed ones).
"""
