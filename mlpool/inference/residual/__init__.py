"""Inference about models with a residual covariance."""
