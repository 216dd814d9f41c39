"""The panels of `check_model`."""
