"""Complete and no pooling from per-cluster sums."""
