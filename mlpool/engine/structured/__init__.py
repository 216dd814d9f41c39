"""Mixed models some of whose terms have a covariance of few parameters."""
