"""Which rows are predicted: variables, the grid language, reference grids, nested factors."""
