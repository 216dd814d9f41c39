"""Residual covariances: correlated and unequal residuals, with or without random effects."""
