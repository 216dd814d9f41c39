"""Linear combinations of coefficients, hypotheses about them, and joint tests, for any model.

Nothing here imports a model. Start reading in ``linear_combinations.py``.
"""
