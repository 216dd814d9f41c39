# Profile intervals of lme4 on bundled data: run `Rscript profile.R` in this folder (minutes).
# confint.glm is MASS's. `probit`: -2 log-likelihood on a grid is not needed, bounds alone are kept.
library(lme4); library(jsonlite)
read <- function(name) read.csv(paste0("../../../mlpool/datasets/data/", name, ".csv"))
sleep <- read("sleepstudy"); sleep$Subject <- factor(sleep$Subject)
sleep$slow <- as.integer(sleep$Reaction > 290); sleep$x <- sleep$Days / 9
sleep$count <- round(sleep$Reaction / 20)
cbpp <- read("cbpp"); cbpp$herd <- factor(cbpp$herd); cbpp$period <- factor(cbpp$period)
pen <- read("Penicillin"); pen$high <- as.integer(pen$diameter > 22)
pen$plate <- factor(pen$plate); pen$sample <- factor(pen$sample)
ortho <- read("Orthodont"); ortho$Sex <- factor(ortho$Sex, c("Male", "Female"))
ctl <- glmerControl(tolPwrss = 1e-12, optCtrl = list(rhobeg = 0.2, rhoend = 1e-7, maxfun = 1e5), optimizer = "bobyqa", calc.derivs = FALSE)
lct <- lmerControl(optimizer = "bobyqa", optCtrl = list(rhoend = 1e-8), calc.derivs = FALSE)
models <- list(
  slope_binomial = list(fit = quote(glmer(slow ~ x + (x | Subject), sleep, family = binomial, control = ctl))),
  nagq = list(fit = quote(glmer(cbind(incidence, size - incidence) ~ period + (1 | herd), cbpp, family = binomial, nAGQ = 9, control = ctl))),
  crossed_binomial = list(fit = quote(glmer(high ~ 1 + (1 | plate) + (1 | sample), pen, family = binomial, control = ctl))),
  poisson = list(fit = quote(glmer(count ~ x + (1 | Subject), sleep, family = poisson, control = ctl))),
  probit = list(fit = quote(glmer(slow ~ x + (1 | Subject), sleep, family = binomial("probit"), control = ctl))),
  three_columns = list(fit = quote(lmer(Reaction ~ x + I(x^2) + (1 | Subject), sleep, REML = FALSE, control = lct))),
  factor_slope = list(fit = quote(lmer(distance ~ age + Sex + (1 | Subject), ortho, control = lct)))
)
out <- lapply(models, function(m) {
  f <- eval(m$fit)
  t <- system.time(ci <- tryCatch(confint(f, method = "profile", quiet = TRUE), error = function(e) NULL))[["elapsed"]]
  list(call = deparse1(m$fit), seconds = t, names = rownames(ci), low = unname(ci[, 1]), high = unname(ci[, 2]),
       singular = isSingular(f), theta = unname(getME(f, "theta")), loglik = as.numeric(logLik(f)))
})
g <- glm(cbind(incidence, size - incidence) ~ period, binomial, cbpp)
l <- lm(Reaction ~ Days, sleep)
out$glm <- list(call = "glm(cbind(incidence, size - incidence) ~ period, binomial, cbpp)",
  names = names(coef(g)), low = unname(confint(g)[, 1]), high = unname(confint(g)[, 2]), wald = unname(confint.default(g)))
out$lm <- list(call = "lm(Reaction ~ Days, sleep)", names = names(coef(l)), low = unname(confint(l, level = 0.9)[, 1]),
  high = unname(confint(l, level = 0.9)[, 2]), columns = colnames(confint(l, level = 0.9)))
out$versions <- list(lme4 = as.character(packageVersion("lme4")), R = R.version.string)
writeLines(toJSON(out, digits = 12, auto_unbox = TRUE, na = "null"), "profile.json")
