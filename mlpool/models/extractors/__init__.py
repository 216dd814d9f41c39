"""What a fitted model is asked for by name: R's, lme4's and statsmodels' extractors."""
