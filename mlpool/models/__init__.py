"""What the user calls and holds: `fit`, `lm`, `glm`, `lmer` and the fitted models.

May import everything to its left (formula, frames, engine, inference), never tables or plots.
Start reading in ``fit.py``.
"""
