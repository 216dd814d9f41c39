# Shares of variance by effectsize on lme4's cake; run with: Rscript effect_sizes.R
suppressPackageStartupMessages({library(effectsize); library(lme4); library(lmerTest); library(jsonlite)})
out <- list()
for (kind in c("lm", "lmer")) {
  m <- if (kind == "lm") lm(angle ~ recipe * temp, cake) else lmerTest::lmer(angle ~ recipe * temp + (1 | recipe:replicate), cake)
  a <- anova(m)
  for (f in c("eta_squared", "omega_squared", "epsilon_squared")) for (side in c("greater", "two.sided")) {
    ask <- function(partial) as.list(as.data.frame(get(f)(a, partial = partial, alternative = side, verbose = FALSE)))
    out[[kind]][[f]][[side]] <- list(partial = ask(TRUE), total = if (kind == "lm") ask(FALSE))
  }
}
one <- anova(lm(angle ~ recipe, cake))
out$one_term <- as.list(as.data.frame(omega_squared(one, verbose = FALSE)))
out$packages <- list(R = R.version.string, effectsize = as.character(packageVersion("effectsize")))
writeLines(toJSON(out, digits = 15, auto_unbox = TRUE), "effect_sizes.json")
