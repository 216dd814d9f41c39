"""While a query runs: a line on the terminal, and Ctrl-C that ends it."""
