"""Robust covariances: heteroscedastic and cluster-robust, with their small-sample tests."""
