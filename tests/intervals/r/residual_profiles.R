# The numbers of test_residual_profiles.py: where nlme's ML log-likelihood, maximised with one
# parameter held, has fallen by qchisq(.95, 1) / 2. R 4.2.2, nlme 3.1-162.
suppressMessages(library(nlme)); data(sleepstudy, package = "lme4"); s <- sleepstudy
s$D1 <- s$Days + 1
ctl <- glsControl(tolerance = 1e-10, msTol = 1e-12)
fit <- function(...) gls(..., method = "ML", control = ctl)
bounds <- function(held, estimate, low, high) {
  f <- function(x) sqrt(pmax(0, 2 * (best - as.numeric(logLik(held(x)))))) - qnorm(.975)
  cat(format(c(uniroot(f, c(low, estimate), tol = 1e-10)$root,
               uniroot(f, c(estimate, high), tol = 1e-10)$root), digits = 10), "\n")
}
m <- fit(Reaction ~ Days, s, correlation = corAR1(form = ~ Days | Subject))
best <- as.numeric(logLik(m))
phi <- coef(m$modelStruct$corStruct, unconstrained = FALSE)
bounds(function(x) fit(Reaction ~ Days, s, correlation = corAR1(x, form = ~ Days | Subject, fixed = TRUE)),
       phi, .3, .97)
held <- function(b) { s$y2 <- s$Reaction - b * s$Days; fit(y2 ~ 1, s, correlation = corAR1(form = ~ Days | Subject)) }
bounds(held, coef(m)[2], coef(m)[2] - 8, coef(m)[2] + 8)
m <- fit(Reaction ~ Days, s, weights = varPower(form = ~ D1))
best <- as.numeric(logLik(m))
p <- coef(m$modelStruct$varStruct)
bounds(function(x) fit(Reaction ~ Days, s, weights = varPower(x, form = ~ D1, fixed = x)), p, p - .6, p + .6)
