"""Numbers only: cross-products, the mixed-model criterion with its gradient, the optimiser.

May import errors, typing, families and formula.types; knows no frames and prints nothing.
Start reading in ``lmm/fit.py``; the mathematics is in ``lmm/criterion.py``, ``lmm/one_factor.py``
(one grouping factor) and ``lmm/several_factors.py`` with ``factorization/block_cholesky.py``.
"""
