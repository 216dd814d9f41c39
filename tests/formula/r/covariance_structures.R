# glmmTMB's diag(), cs() and ar1(): values of test_covariance_structures.py and of
# ../../models/test_structured_terms.py. Every model is fitted from several starts and the best kept:
# from its own, glmmTMB stops at a residual variance of zero on sleepstudy.
suppressMessages({library(lme4); library(glmmTMB); library(nlme)})
sleep <- transform(sleepstudy, f = factor(Days))
gaps <- sleep[-c(3, 4, 17, 18, 19, 20, 41, 77, 78, 100, 133, 134, 180), ]
cake$t <- factor(cake$temp)
ortho <- transform(as.data.frame(Orthodont), f = factor(age), Subject = factor(as.character(Subject)))
# the reference material's data (SHARED names its folder)
epilepsy <- read.csv(file.path(Sys.getenv("SHARED", "../../../../shared/data"), "epilepsy.csv"))
epilepsy <- transform(epilepsy, f = factor(visit), patient = factor(patient))
best <- function(formula, data, starts, ...) {
  found <- NULL
  for (start in c(list(NULL), starts)) {
    m <- tryCatch(suppressWarnings(glmmTMB(formula, data, start = if (is.null(start)) NULL else list(theta = start),
      control = glmmTMBControl(optCtrl = list(iter.max = 1e4, eval.max = 1e4, rel.tol = 1e-14)), ...)),
      error = function(e) NULL)
    if (!is.null(m) && is.finite(m$fit$objective) && (is.null(found) || m$fit$objective < found$fit$objective)) found <- m
  }
  found
}
show <- function(name, m) {
  vc <- VarCorr(m)$cond
  sds <- unlist(lapply(vc, attr, "stddev"))
  cors <- unlist(lapply(vc, function(v) if (nrow(v) > 1) attr(v, "correlation")[2, 1]))
  cat(name, "\n  loglik", format(as.numeric(logLik(m)), digits = 14), "df", attr(logLik(m), "df"),
      "\n  sd", format(unname(sds), digits = 9), "\n  cor", format(unname(cors), digits = 9),
      "\n  sigma", format(sigma(m), digits = 9),
      "\n  beta", format(unname(fixef(m)$cond), digits = 10),
      "\n  se", format(unname(sqrt(diag(as.matrix(vcov(m)$cond)))), digits = 9), "\n")
}
far <- list(c(1, 2), c(3, 1), c(4, 2), c(0, 0.1))
show("cake_diag", best(angle ~ recipe + diag(0 + recipe | replicate), cake, list(), REML = TRUE))
show("sleep_diag", best(Reaction ~ Days + diag(Days | Subject), sleep, list(), REML = TRUE))
show("sleep_ar1", best(Reaction ~ Days + ar1(0 + f | Subject), sleep, far, REML = TRUE))
show("sleep_ar1_ml", best(Reaction ~ Days + ar1(0 + f | Subject), sleep, far, REML = FALSE))
show("gaps_ar1", best(Reaction ~ Days + ar1(f + 0 | Subject), gaps, far, REML = TRUE))
show("sleep_ar1_int", best(Reaction ~ Days + ar1(0 + f | Subject) + (1 | Subject), sleep,
  list(c(3.7, 1.5, 3.1), c(3, 1, 3.5)), REML = TRUE))
show("sleep_cs", best(Reaction ~ Days + cs(0 + f | Subject), sleep, list(c(rep(3.5, 10), 1)), REML = TRUE))
show("cake_cs", best(angle ~ recipe * t + cs(0 + recipe | replicate), cake, list(c(2, 2, 2, 1)), REML = TRUE))
show("cake_ar1", best(angle ~ recipe * t + ar1(0 + t | replicate), cake, far, REML = TRUE))
show("cake_ar1_two", best(angle ~ recipe * t + ar1(0 + t | replicate) + (1 | recipe:replicate), cake,
  list(c(1, 1, 1.5), c(1.5, 3, 1)), REML = TRUE))
show("ortho_ar1", best(distance ~ age * Sex + ar1(0 + f | Subject), ortho, list(c(0.5, 2), c(0, 1), c(0.6, 5)), REML = TRUE))
show("ortho_cs", best(distance ~ age * Sex + cs(0 + f | Subject), ortho, list(c(0.5, 0.5, 0.5, 0.5, 2)), REML = FALSE))
show("cbpp_ar1", best(cbind(incidence, size - incidence) ~ period + ar1(0 + period | herd), cbpp, list(c(0, 1)), family = binomial))
show("cbpp_cs", best(cbind(incidence, size - incidence) ~ period + cs(0 + period | herd), cbpp, list(c(0, 0, 0, 0, 0.5)), family = binomial))
counts <- seizures ~ log_baseline * treat + log_age
show("epilepsy_ar1", best(update(counts, . ~ . + ar1(0 + f | patient)), epilepsy, list(c(-0.5, 2), c(-0.5, 0.5)),
  family = poisson))
show("epilepsy_cs", best(update(counts, . ~ . + cs(0 + f | patient)), epilepsy,
  list(c(-0.5, -0.5, -0.5, -0.5, 1)), family = poisson))
show("epilepsy_ar1_int", best(update(counts, . ~ . + ar1(0 + f | patient) + (1 | patient)), epilepsy,
  list(c(-1, 0.2, -0.7)), family = poisson))
