"""mlpool."""
