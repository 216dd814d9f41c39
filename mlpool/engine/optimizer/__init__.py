"""Minimise a criterion over theta, and judge the optimum."""
