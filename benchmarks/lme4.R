# Time lme4 on one task: Rscript lme4.R formula reml repeats data.csv; prints one line of JSON.
suppressPackageStartupMessages(library(lme4))
a <- commandArgs(TRUE); d <- read.csv(a[4]); reml <- a[2] == "TRUE"; s <- Inf
for (g in c("j", "s", "d", "ds", "school", "lea", "leaschool", "a", "b", "Subject")) if (g %in% names(d)) d[[g]] <- factor(d[[g]])
for (i in seq_len(as.integer(a[3]))) s <- min(s, system.time(m <- suppressMessages(suppressWarnings(lmer(as.formula(a[1]), d, REML = reml))))[["elapsed"]])
m0 <- gc(); crit <- if (reml) REMLcrit(m) else deviance(m)
cat(sprintf('{"seconds": %.4f, "mb": %.0f, "deviance": %.8f}\n', s, sum(m0[, 6]), crit))
