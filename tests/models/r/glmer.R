# Values of tests/models/r/glmer.json: kinds of response, links, families and nAGQ on bundled data.
# Run in this folder: Rscript glmer.R   (R 4.2.2, lme4 1.1-31, glmmTMB 1.1.5, insight 0.19.0)
suppressMessages({library(lme4); library(glmmTMB); library(jsonlite); library(insight)})
data <- "../../../mlpool/datasets/data"
hsb <- read.csv(file.path(data, "hsb82.csv.gz")); hsb$school <- factor(hsb$school)
hsb$minority <- factor(hsb$minority, levels = c("No", "Yes")); hsb$count <- pmax(0, round(hsb$math / 2))
hsb$sector <- factor(hsb$sector, levels = c("Public", "Catholic")); hsb$high <- hsb$math > 13
hsb <- hsb[order(as.integer(hsb$school)), ]; few <- hsb[as.integer(hsb$school) <= 60, ]
few$school <- droplevels(few$school); few$reversed <- factor(few$minority, levels = c("Yes", "No"))
sleep <- read.csv(file.path(data, "sleepstudy.csv")); sleep$Subject <- factor(sleep$Subject)
cb <- read.csv(file.path(data, "cbpp.csv")); cb$period <- factor(cb$period); cb$herd <- factor(cb$herd)
cb$prop <- cb$incidence / cb$size; cb$obs <- factor(seq_len(nrow(cb))); cb$w <- 1 + seq_len(nrow(cb)) %% 3
# bobyqa of nloptr with tight tolerances; modes converged to 1e-12.
tight <- function(fn, par, lower, upper, control, ...) {
  o <- nloptr::nloptr(par, fn, lb = lower, ub = upper, opts = list(algorithm = "NLOPT_LN_BOBYQA", xtol_abs = 1e-12, ftol_abs = 1e-12, maxeval = 1e5))
  o <- nloptr::nloptr(o$solution, fn, lb = lower, ub = upper, opts = list(algorithm = "NLOPT_LN_SBPLX", xtol_abs = 1e-11, ftol_abs = 1e-12, maxeval = 1e5))
  list(par = o$solution, fval = o$objective, conv = 0, message = "")
}
ctl <- glmerControl(optimizer = c("tight", "tight"), tolPwrss = 1e-13, check.conv.singular = "ignore")
g <- function(f, d, fam, ...) suppressWarnings(eval(substitute(glmer(f, data = d, family = fam, control = ctl, ...)), globalenv()))
tmb_fit <- function(f, d, fam) suppressWarnings(eval(substitute(glmmTMB(f, data = d, family = fam, control = glmmTMBControl(optCtrl = list(rel.tol = 1e-14, x.tol = 1e-12)))), globalenv()))
models <- list(
  logical = g(high ~ ses + sector + (1 | school), few, binomial),
  labels = g(minority ~ ses + (1 | school), few, binomial),
  labels_reversed = g(reversed ~ ses + (1 | school), few, binomial),
  proportions_probit = g(prop ~ period + (1 | herd), cb, binomial("probit"), weights = size),
  cloglog_offset = g(prop ~ period + offset(log(size) / 4) + (1 | herd), cb, binomial("cloglog"), weights = size),
  binomial_log = g(cbind(incidence, size - incidence) ~ 1 + (1 | herd), cb, binomial("log")),
  poisson_offset = g(incidence ~ period + offset(log(size)) + (1 | herd), cb, poisson),
  poisson_weights = g(incidence ~ period + offset(log(size)) + (1 | herd), cb, poisson, weights = w),
  poisson_sqrt = g(count ~ ses + (1 | school), few, poisson("sqrt")),
  observation_level = g(cbind(incidence, size - incidence) ~ period + (1 | herd) + (1 | obs), cb, binomial),
  slopes = g(high ~ ses + sector + (ses | school), few, binomial),
  slopes_independent = g(high ~ ses + sector + (ses || school), few, binomial),
  quick = suppressWarnings(glmer(cbind(incidence, size - incidence) ~ period + (1 | herd), cb, binomial, nAGQ = 0, control = ctl)),
  quick_slopes = suppressWarnings(glmer(high ~ ses + sector + (ses | school), few, binomial, nAGQ = 0, control = ctl)),
  nodes_2 = g(cbind(incidence, size - incidence) ~ period + (1 | herd), cb, binomial, nAGQ = 2), nodes_25 = g(cbind(incidence, size - incidence) ~ period + (1 | herd), cb, binomial, nAGQ = 25), nodes_60 = g(cbind(incidence, size - incidence) ~ period + (1 | herd), cb, binomial, nAGQ = 60),
  nodes_slope = g(high ~ ses + (0 + ses | school), few, binomial, nAGQ = 9),
  nodes_poisson = g(incidence ~ period + offset(log(size)) + (1 | herd), cb, poisson, nAGQ = 15)
)
tmb <- list(
  nbinom2 = tmb_fit(count ~ ses + sector + (1 | school), few, nbinom2),
  nbinom2_slopes = tmb_fit(count ~ ses + (ses | school), few, nbinom2),
  nbinom2_sqrt = tmb_fit(count ~ ses + (1 | school), few, nbinom2("sqrt")),
  nbinom1 = tmb_fit(count ~ ses + (1 | school), few, nbinom1),
  Gamma_log = tmb_fit(Reaction ~ Days + (1 | Subject), sleep, Gamma("log")),
  Gamma_log_slopes = tmb_fit(Reaction ~ Days + (Days | Subject), sleep, Gamma("log")),
  Gamma_inverse = tmb_fit(I(Reaction / 300) ~ Days + (1 | Subject), sleep, Gamma("inverse")),
  gaussian_log = tmb_fit(I(Reaction / 300) ~ Days + (1 | Subject), sleep, gaussian("log"))
)
A <- function(x) I(as.numeric(x)); M <- function(x) { x <- as.matrix(x); dimnames(x) <- NULL; x }
parts <- function(m) tryCatch({ v <- suppressWarnings(get_variance(m, tolerance = 0)); list(fixed = v$var.fixed, random = v$var.random, distribution = v$var.distribution, residual = v$var.residual) }, error = function(e) NULL)
sds <- function(m) { v <- VarCorr(m); if (inherits(m, "glmmTMB")) v <- v$cond; A(unlist(lapply(v, function(x) attr(x, "stddev")))) }
first_sd <- function(r) { v <- attr(r, "postVar"); sqrt((if (is.list(v)) v[[1]] else v)[1, 1, ]) }
glmer_values <- function(m) { r <- ranef(m, condVar = TRUE)[[1]]; list(
  formula = paste(deparse(formula(m), 200), collapse = ""), family = family(m)$family, link = family(m)$link,
  names = I(names(fixef(m))), beta = A(fixef(m)), se = A(sqrt(diag(as.matrix(vcov(m))))), vcov_conditional = M(vcov(m, use.hessian = FALSE)),
  theta = A(getME(m, "theta")), loglik = as.numeric(logLik(m)), df = attr(logLik(m), "df"), sds = sds(m),
  ranef = A(head(r[[1]], 6)), cond_sd = A(head(first_sd(r), 6)), fitted = A(head(fitted(m), 6)),
  pearson = A(head(resid(m, "pearson"), 6)), deviance = A(head(resid(m, "deviance"), 6)), working = A(head(resid(m, "working"), 6)), variance = parts(m)) }
tmb_values <- function(m) { r <- ranef(m)$cond[[1]]; list(
  formula = paste(deparse(formula(m), 200), collapse = ""), family = family(m)$family, link = family(m)$link,
  names = I(names(fixef(m)$cond)), beta = A(fixef(m)$cond), se = A(sqrt(diag(vcov(m)$cond))), dispersion = sigma(m),
  loglik = as.numeric(logLik(m)), df = attr(logLik(m), "df"), sds = sds(m), ranef = A(head(r[[1]], 6)), fitted = A(head(fitted(m), 6)), variance = parts(m)) }
out <- c(lapply(models, glmer_values), lapply(tmb, tmb_values))
# glmer.nb finds theta by a search of one dimension around whole fits.
m <- suppressWarnings(glmer.nb(count ~ ses + sector + (1 | school), few)); out$glmer_nb <- list(beta = A(fixef(m)), loglik = as.numeric(logLik(m)), theta_nb = getME(m, "glmer.nb.theta"), sds = sds(m))
write_json(out, "glmer.json", digits = 12, auto_unbox = TRUE, null = "null")
