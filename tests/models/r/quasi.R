# Values of tests/models/r/quasi.json: quasi families, cauchit and identity links, null deviances.
# Run in this folder: Rscript quasi.R   (R 4.2.2, lme4 1.1-31)
suppressMessages({library(lme4); library(jsonlite)})
data <- "../../../mlpool/datasets/data"
cb <- read.csv(file.path(data, "cbpp.csv")); cb$period <- factor(cb$period); cb$herd <- factor(cb$herd)
cb$w <- 1 + seq_len(nrow(cb)) %% 3
sleep <- read.csv(file.path(data, "sleepstudy.csv")); sleep$slow <- as.integer(sleep$Reaction > 300)
# To the last digit, where glm stops at a relative change of 1e-8.
exact <- list(epsilon = 1e-14, maxit = 200)
counts <- function(family) glm(cbind(incidence, size - incidence) ~ period, data = cb, family = family, control = exact)
models <- list(
  quasibinomial = counts(quasibinomial),
  quasibinomial_probit = counts(quasibinomial("probit")),
  quasipoisson = glm(incidence ~ period + offset(log(size)), data = cb, family = quasipoisson, control = exact),
  quasipoisson_weights = glm(incidence ~ period, data = cb, family = quasipoisson, weights = w, control = exact),
  quasi_log_mu2 = glm(size ~ period, data = cb, family = quasi(link = "log", variance = "mu^2"), control = exact),
  quasi_constant = glm(size ~ period, data = cb, family = quasi, control = exact),
  cauchit = counts(binomial("cauchit")),
  cauchit_rows = glm(slow ~ Days, data = sleep, family = binomial("cauchit"), control = exact),
  identity_counts = counts(binomial("identity")),
  identity_rows = glm(slow ~ Days, data = sleep, family = binomial("identity"), start = c(.1, .05), control = exact),
  no_intercept = glm(incidence ~ 0 + period, data = cb, family = poisson, control = exact),
  no_intercept_offset = glm(incidence ~ 0 + period + offset(log(size)), data = cb, family = poisson, control = exact),
  no_intercept_slope = glm(slow ~ 0 + Days, data = sleep, family = binomial, weights = 1 + Subject %% 3, control = exact),
  offset_weights = glm(incidence ~ period + offset(log(size)), data = cb, family = poisson, weights = w, control = exact),
  gamma_offset = glm(size ~ period + offset(w / 10), data = cb, family = Gamma("log"), control = exact)
)
values <- function(m) list(
  beta = unname(coef(m)), se = unname(sqrt(diag(vcov(m)))), p = unname(coef(summary(m))[, 4]),
  deviance = deviance(m), null_deviance = m$null.deviance, dispersion = summary(m)$dispersion,
  F = unname(if (m$family$family %in% c("binomial", "poisson")) 0 else anova(m, test = "F")$F[-1]), df_residual = df.residual(m)
)
mixed <- glmer(cbind(incidence, size - incidence) ~ period + (1 | herd), cb, binomial(link = "cauchit"),
               control = glmerControl(optimizer = "bobyqa", tolPwrss = 1e-12))
out <- suppressWarnings(lapply(models, values))
out$mixed_cauchit <- list(beta = unname(fixef(mixed)), theta = unname(getME(mixed, "theta")), logLik = as.numeric(logLik(mixed)))
write(toJSON(out, digits = NA, auto_unbox = TRUE, pretty = TRUE), "quasi.json")
