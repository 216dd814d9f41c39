"""Block elimination of random effects: storage of blocks, Cholesky factors, solutions, traces."""
