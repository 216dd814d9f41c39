"""From fit records to uncertainty: covariances, degrees of freedom, intervals and profiles.

Plain functions on arrays and on the records of ``engine.types``; may import errors, typing,
families, formula.types and engine. Start reading in ``vcov.py`` and ``information.py``.
"""
