"""Numbers only: cross-products, criteria, optimiser, modes. No frames, no text, no warnings.

May import ``errors``, ``typing``, ``families`` and ``formula.types``. Start reading at ``lmm.py``.
"""
