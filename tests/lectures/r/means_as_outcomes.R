# Means as outcomes by lmerTest: Rscript means_as_outcomes.R REPOSITORY SHARED > means_as_outcomes.json
# (R 4.2, lme4 1.1, lmerTest 3.1, jsonlite). The first data set is bundled, the second is in SHARED/data.
suppressPackageStartupMessages({library(lmerTest); library(jsonlite)})
where <- commandArgs(trailingOnly = TRUE)

hsb <- read.csv(gzfile(file.path(where[1], "mlpool/datasets/data/hsb82.csv.gz")))
hsb$sector <- factor(hsb$sector, levels = c("Public", "Catholic"))
heck <- read.csv(file.path(where[2], "data/heck2011.csv"), fileEncoding = "UTF-8-BOM")
heck$schmeansesc <- ave(heck$ses, heck$school) - mean(heck$ses)

tight <- lmerControl(optimizer = "nloptwrap", optCtrl = list(xtol_abs = 1e-12, ftol_abs = 1e-14))
cases <- list(
  hsb82_null = lmer(math ~ 1 + (1 | school), hsb, control = tight),
  hsb82_sector = lmer(math ~ sector + (1 | school), hsb, control = tight),
  hsb82_sector_meanses = lmer(math ~ sector + meanses + (1 | school), hsb, control = tight),
  heck_public = lmer(math ~ public + (1 | school), heck, control = tight),
  heck_public_schmeansesc = lmer(math ~ public + schmeansesc + (1 | school), heck, control = tight)
)
record <- function(m) {
  table <- coef(summary(m))
  sds <- as.data.frame(VarCorr(m))$sdcor
  list(terms = rownames(table), estimate = table[, 1], se = table[, 2], df = table[, 3],
       t = table[, 4], sds = sds, loglik = as.numeric(logLik(m)), aic = AIC(m), bic = BIC(m))
}
values <- lapply(cases, function(m) lapply(record(m), unname))
cat(toJSON(values, digits = NA, pretty = TRUE), "\n")
