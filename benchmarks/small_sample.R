# Time df and p-values of all fixed effects after the fit: Rscript small_sample.R formula ddf data.csv
# lmerTest for Satterthwaite, pbkrtest (through lmerTest) for Kenward-Roger; one line of JSON.
suppressPackageStartupMessages({library(lmerTest); library(pbkrtest)})
a <- commandArgs(TRUE); d <- read.csv(a[3])
for (g in c("j", "s", "d", "dept", "school", "Subject", "class", "plate", "sample"))
  if (g %in% names(d)) d[[g]] <- factor(d[[g]])
m <- suppressMessages(lme4::lmer(as.formula(a[1]), d))
s <- sum(system.time({
  t <- suppressMessages(as_lmerModLmerTest(m)); table <- coef(summary(t, ddf = a[2]))
})[c("user.self", "sys.self")])
memory <- as.numeric(sub("\\D*(\\d+).*", "\\1", grep("VmHWM", readLines("/proc/self/status"), value = TRUE))) / 1024
cat(sprintf('{"seconds": %.4f, "mb": %.0f, "df": [%s]}\n', s, memory,
            paste(sprintf("%.6f", table[, "df"]), collapse = ", ")))
