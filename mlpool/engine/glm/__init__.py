"""Generalised linear models: Fisher scoring, likelihoods, the range of means."""
