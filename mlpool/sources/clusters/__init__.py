"""Clusters that stay where the rows are: added up by size, and asked one by one on demand."""
