"""One tolerance per quantity, each with its reason. Loosening one needs a numerical reason here.

The reference values come from R fits with tightened optimiser settings; the scripts that made them
lie beside them. ``REL_*`` are relative, ``ABS_*`` absolute.
"""

from __future__ import annotations

# --- linear mixed models --------------------------------------------------------------------

REL_CRITERION = 1e-10
"""Deviance or REML criterion at R's own theta: the same formula, so rounding only."""

ABS_OPTIMUM = 1e-6
"""Our criterion may exceed R's optimum by this much: both optimisers stop near the same minimum."""

REL_LOGLIK, ABS_LOGLIK = 1e-8, 1e-5
"""Log-likelihood, criterion, AIC, BIC at our optimum: flat, so theta's error enters squared."""

REL_LMM, ABS_LMM = 1e-5, 1e-6
"""beta, SE, sigma, theta, variances and correlations: they follow theta, which two optimisers find
only to about the square root of the error in the criterion."""

REL_LARGE = 1e-4
"""The same for InstEval and Chem97: R itself stops earlier there."""

REL_SINGULAR, ABS_THETA_SINGULAR = 1e-4, 2e-3
"""beta and SE, and theta, at a boundary: the criterion is quadratic in theta around zero."""

REL_RANEF = 1e-5
"""Conditional modes, their SDs, fitted values: linear in the quantities above."""

ABS_SUM_PER_LEVEL = 1e-6
"""A sum over levels that should be zero, per level summed."""

# --- single-level models --------------------------------------------------------------------

REL_OLS = 1e-8
"""OLS, HC and cluster-robust covariances: direct solutions; R's printed digits are 15."""

REL_CR23 = 1e-7
"""CR2 and CR3: matrix roots of the cluster blocks lose one more digit."""

REL_GLM = 1e-6
"""GLM coefficients and SEs: IRLS stops on the deviance, as in R (epsilon 1e-8)."""

# --- small samples and intervals ------------------------------------------------------------

REL_SATTERTHWAITE_DF, REL_SATTERTHWAITE_DF_SINGULAR = 1e-3, 1e-2
"""lmerTest differentiates numerically."""

REL_KENWARD_ROGER = 1e-5
"""Degrees of freedom and adjusted covariance: algebra on theta's estimate."""

REL_P_VALUE = 1e-3
"""p-values magnify errors of statistic and df in the tail."""

# --- generalised linear mixed models --------------------------------------------------------

ABS_GLMM_LOGLIK = 1e-5
"""Log-likelihood by Laplace or quadrature: R's modes are converged to 1e-12 there."""

REL_GLMM = 1e-4
"""beta, theta, dispersion and SEs against an accurate Hessian: R's optimiser has no gradient."""

REL_GLMM_SE = 5e-4
"""SEs against lme4's own finite-difference Hessian."""

ABS_GLMM = 1e-5
"""Conditional modes, their SDs, fitted values: they follow the estimates."""

# --- marginal means -------------------------------------------------------------------------

REL_EMMEANS = 1e-5
"""Marginal means, trends and their contrasts: linear in beta, whose theta R found by itself."""

ABS_TUKEY = 1e-4
"""The studentized range is integrated numerically, here and in R."""
