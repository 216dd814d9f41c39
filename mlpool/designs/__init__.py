"""What is done with a design before it is a model: engine data, absorbed factors, row summaries.

May import formula, engine and everything below. Start reading in ``engine_data.py``.
"""
