"""Likelihood profiles of all kinds of model, and intervals from them."""
