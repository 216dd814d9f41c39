# Contrasts, weights, scales and adjustments of emmeans, on bundled data; run with: Rscript contrasts.R
suppressPackageStartupMessages({library(lme4); library(emmeans); library(jsonlite); library(mvtnorm)})
d <- function(x, ...) { x <- as.data.frame(summary(x, ...)); lapply(x, function(v) if (is.factor(v)) as.character(v) else v) }
h <- read.csv(gzfile("../../../mlpool/datasets/data/hsb82.csv.gz"))
for (v in c("gender", "sector", "minority")) h[[v]] <- factor(h[[v]], unique(h[[v]]))
h$high <- as.numeric(h$math > 13)
cake$temperature <- factor(cake$temperature, ordered = FALSE)
out <- list()
m <- lm(math ~ ses + gender * sector + minority, h)
for (w in c("equal", "proportional", "outer", "cells", "flat")) {
  out[[paste0("weights_", w)]] <- d(emmeans(m, ~ gender, weights = w))
  out[[paste0("weights_by_", w)]] <- d(emmeans(m, ~ gender | sector, weights = w))
}
p <- lm(math ~ ses + gender * sector + minority, h, weights = 1 + (seq_len(nrow(h)) %% 3))
out$prior_weights <- d(emmeans(p, ~ gender, weights = "proportional"))
c1 <- lm(angle ~ recipe * temperature, cake)
e <- emmeans(c1, ~ recipe * temperature)
out$interaction <- d(contrast(e, interaction = c("pairwise", "consec")), infer = TRUE)
out$interaction_by <- d(contrast(e, interaction = "eff", by = "temperature"), infer = TRUE)
t <- emmeans(c1, ~ temperature)
set.seed(1)
for (a in c("dunnettx", "mvt")) {
  out[[paste0("control_", a)]] <- d(contrast(t, "trt.vs.ctrl", adjust = a), infer = TRUE)
  out[[paste0("consec_", a)]] <- d(contrast(t, "consec", adjust = a), infer = TRUE)
}
out$within <- d(contrast(emmeans(c1, ~ recipe | temperature), "trt.vs.ctrl"), infer = TRUE)
out$effects <- d(contrast(t))
out$weights_given <- d(contrast(t, list(ends = c(1, 0, 0, 0, 0, -1), middle = c(-1, 0, 1, 1, 0, -1))), infer = TRUE)
out$of_contrasts <- d(contrast(pairs(emmeans(c1, ~ recipe)), "consec", adjust = "none"), infer = TRUE)
b <- glm(high ~ ses + sector * minority, binomial, h)
e <- emmeans(b, ~ sector * minority)
out$odds <- d(pairs(e, by = "minority", type = "response"), infer = TRUE)
out$odds_interaction <- d(contrast(e, interaction = "pairwise", type = "response"), infer = TRUE)
out$risk_difference <- d(pairs(regrid(e), by = "minority"), infer = TRUE)
out$risk_ratio <- d(pairs(regrid(e, "log"), by = "minority", type = "response"), infer = TRUE)
out$means_bias <- d(emmeans(b, ~ sector, type = "response", bias.adjust = TRUE, sigma = 0.7))
for (f in c("log(angle)", "sqrt(angle)")) {
  l <- lm(as.formula(paste(f, "~ recipe")), cake)
  e <- emmeans(l, ~ recipe)
  out[[f]] <- list(response = d(e, type = "response"), bias = d(e, type = "response", bias.adjust = TRUE),
    bias_sd = d(e, type = "response", bias.adjust = TRUE, sigma = 0.5), regrid = d(regrid(e)),
    pairs = d(pairs(e, type = "response"), infer = TRUE), of_regrid = d(pairs(regrid(e)), infer = TRUE))
}
q <- glm(incidence ~ period + offset(log(size)), poisson, cbpp)
out$offset <- list(own = d(emmeans(q, ~ period, type = "response")), one = d(emmeans(q, ~ period, offset = 0, type = "response")),
  ten = d(emmeans(q, ~ period, offset = log(10), type = "response")), contrasts = d(pairs(emmeans(q, ~ period), type = "response"), infer = TRUE))
x <- lmer(angle ~ recipe * temp + (1 | recipe:replicate), cake)
tr <- emtrends(x, ~ recipe, "temp", lmer.df = "asymptotic")
out$trends <- d(contrast(tr, "trt.vs.ctrl", adjust = "holm"), infer = TRUE)
R <- matrix(.5, 5, 5); diag(R) <- 1
g <- GenzBretz(maxpts = 5e6, abseps = 1e-8, releps = 0)
tail <- function(q, df) 1 - as.numeric(pmvt(-rep(q, 5), rep(q, 5), df = df, corr = R, algorithm = g))
out$largest_t <- list(q = c(1, 2.5, 4), df20 = sapply(c(1, 2.5, 4), tail, 20), df4 = sapply(c(1, 2.5, 4), tail, 4),
  inf = sapply(c(1, 2.5, 4), function(q) 1 - as.numeric(pmvnorm(-rep(q, 5), rep(q, 5), corr = R, algorithm = g))),
  quantile20 = qmvt(.95, df = 20L, corr = R, tail = "both.tails", algorithm = GenzBretz(maxpts = 1e6, abseps = 1e-7))$quantile)
out$packages <- list(R = R.version.string, emmeans = as.character(packageVersion("emmeans")), mvtnorm = as.character(packageVersion("mvtnorm")))
writeLines(toJSON(out, digits = 15, auto_unbox = TRUE, na = "null"), "contrasts.json")
