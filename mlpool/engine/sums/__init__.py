"""Sums over the rows: the only step of a fit that reads all of them."""
