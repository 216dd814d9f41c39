# Means and slopes of logical columns that a formula computes with; run with: Rscript computed_logicals.R
suppressPackageStartupMessages({library(lme4); library(emmeans)})
options(digits = 12)
s <- transform(sleepstudy, late = Days > 6)
shown <- function(m) {
  print(as.data.frame(emmeans(m, ~ late, lmer.df = "asymptotic"))[, 2:3])
  print(as.data.frame(emtrends(m, ~ 1, var = "Days", lmer.df = "asymptotic"))[, 2:3])
}
shown(lmer(Reaction ~ Days + I(late * Days) + (1 | Subject), s))
shown(lmer(Reaction ~ Days + I(!late) + (1 | Subject), s))
shown(lmer(Reaction ~ Days + I(2 * late - 1) + as.numeric(late):Days + (1 | Subject), s))
shown(lm(Reaction ~ Days * as.integer(late), s))
