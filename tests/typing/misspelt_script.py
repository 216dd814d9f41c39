"""Slips that a checker must find: every line that ends in a comment is an error."""

from __future__ import annotations

import mlpool

schools = mlpool.load_data("hsb82")
mixed = mlpool.lmer("math ~ ses + (1 | school)", schools)

mlpool.lm("math ~ ses", schools, wieghts="n")  # slip
mlpool.lmer("math ~ ses + (1 | school)", schools, clustr="school")  # slip
mlpool.glmer("math ~ ses + (1 | school)", schools, "binomial", nagq=2)  # slip
mlpool.fit("math ~ ses", schools, familly="poisson")  # slip
mlpool.model_parameters(mixed, confidence=0.9)  # slip
mlpool.plot(mixed, colour="red")  # slip
mlpool.summary(mixed, df="kr")  # slip
mlpool.sigma("math ~ ses")  # slip
mlpool.lm("math ~ ses", schools).ranef()  # slip
mixed.parameters(efects="fixed")  # slip
