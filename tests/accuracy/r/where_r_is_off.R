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

# Rows of weight zero: what counts them.
d <- data.frame(x = 1:12, y = c(2, 4, 3, 6, 8, 7, 9, 12, 10, 13, 11, 15),
                w = c(0, 1, 1, 2, 1, 0, 1, 3, 1, 1, 0, 2), g = rep(c("a", "b", "c", "d"), 3),
                c = c(1, 3, 2, 4, 6, 5, 3, 8, 9, 7, 9, 12))
show <- function(m) print(c(nobs(m), logLik(m), BIC(m), sigma(m)))
show(lm(y ~ x, d, weights = w))
show(glm(c ~ x, poisson, d, weights = w))
show(lmer(y ~ x + (1 | g), d, weights = w, REML = FALSE))
show(lmer(y ~ x + (1 | g), d, weights = w, REML = FALSE, subset = w > 0))
show(glmer(c ~ x + (1 | g), d, poisson, weights = w))
show(glmer(c ~ x + (1 | g), d, poisson, weights = w, subset = w > 0))
