"""Covariances of coefficients and small-sample inference of fitted models, seen by what they hold.

Nothing here imports a model: a model is whatever has a design and a fit record. Start reading in
``covariance.py``.
"""
