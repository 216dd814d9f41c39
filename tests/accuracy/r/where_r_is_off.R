# R's printed numbers that tests/accuracy/test_where_r_is_off.py holds against dense checks.
# R 4.2.2, lme4 1.1-31: Rscript where_r_is_off.R
library(lme4)
options(digits = 10)

# Profile intervals, interpolated by splines.
print(confint(profile(lmer(Yield ~ 1 + (1 | Batch), Dyestuff, REML = FALSE))))
print(confint(profile(lmer(diameter ~ 1 + (1 | plate) + (1 | sample), Penicillin, REML = FALSE))))

# Laplace's approximation: where the penalised least squares stop, and standard errors from
# finite differences of the deviance there.
g <- glmer(cbind(incidence, size - incidence) ~ period + (1 | herd), cbpp, binomial)
print(logLik(g))
print(sqrt(diag(vcov(g))))
late <- update(g, control = glmerControl(tolPwrss = 1e-12))
print(logLik(late))
print(sqrt(diag(vcov(late))))
