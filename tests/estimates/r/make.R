# Marginal means of generalised models by emmeans, on bundled data; run with: Rscript make.R
suppressPackageStartupMessages({library(lme4); library(emmeans); library(jsonlite)})
d <- function(x) { x <- as.data.frame(x); lapply(x, function(v) if (is.factor(v)) as.character(v) else v) }
tight <- glmerControl(optimizer = "bobyqa", optCtrl = list(rhoend = 1e-10, maxfun = 1e5), tolPwrss = 1e-12)
m <- glmer(cbind(incidence, size - incidence) ~ period + (1 | herd), cbpp, family = binomial, control = tight)
e <- emmeans(m, ~ period)
out <- list(cbpp = list(
  response = d(summary(e, type = "response")),
  link = d(summary(e)),
  difference = d(summary(pairs(regrid(e)), infer = TRUE, adjust = "none")),
  sidak = d(summary(contrast(regrid(e), "trt.vs.ctrl1"), adjust = "sidak")),
  scheffe = d(summary(pairs(e), adjust = "scheffe"))))
s <- transform(mtcars, cyl = factor(cyl))
g <- glm(vs ~ wt + factor(am), binomial, s)
out$mtcars <- list(
  data = list(vs = s$vs, wt = s$wt, am = s$am, cyl = as.character(s$cyl), mpg = s$mpg),
  response = d(summary(emmeans(g, ~ am), type = "response")),
  trend = d(summary(emtrends(g, ~ am, var = "wt"))))
l <- lm(mpg ~ wt * cyl, s)
out$scheffe <- d(summary(pairs(emmeans(l, ~ cyl)), adjust = "scheffe", infer = TRUE))
out$sidak <- d(summary(pairs(emmeans(l, ~ cyl)), adjust = "sidak", infer = TRUE))
out$poly <- d(summary(contrast(emmeans(l, ~ cyl), "poly")))
out$packages <- list(R = R.version.string, emmeans = as.character(packageVersion("emmeans")), lme4 = as.character(packageVersion("lme4")))
writeLines(toJSON(out, digits = 15, auto_unbox = TRUE, pretty = FALSE), "emmeans_glm.json")
