# Time lme4's glmer on one task: Rscript glmm.R formula family repeats data.csv; prints one line of JSON.
suppressPackageStartupMessages(library(lme4))
a <- commandArgs(TRUE); d <- read.csv(a[4]); s <- Inf
for (g in c("herd", "period", "district", "id", "item", "BROOD", "INDEX", "LOCATION", "YEAR", "j")) if (g %in% names(d)) d[[g]] <- factor(d[[g]])
for (i in seq_len(as.integer(a[3]))) {
  s <- min(s, sum(system.time(m <- suppressMessages(suppressWarnings(glmer(as.formula(a[1]), d, family = a[2]))))[1:2]))
  if (s > 60) break
}
out <- function(x) paste0("[", paste(sprintf("%.12g", x), collapse = ","), "]")
sds <- sapply(VarCorr(m), function(v) attr(v, "stddev")[1])
cat(sprintf('{"seconds": %.4f, "mb": %.0f, "deviance": %.8f, "beta": %s, "theta": %s}\n', s, sum(gc()[, 6]), -2 * as.numeric(logLik(m)), out(fixef(m)), out(getME(m, "theta"))))
