"""Pictures of `estimate_*` tables over a grid: what is drawn where, lines, dots, data, bounds."""
