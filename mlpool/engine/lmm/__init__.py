"""Linear mixed models: the profiled criterion, for one grouping factor and for several."""
