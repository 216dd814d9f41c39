# Processor time of nlme and glmmTMB for the models of residual.py: Rscript residual.R fev.csv egsingle.csv
suppressMessages({library(nlme); library(glmmTMB)})
files <- commandArgs(TRUE)
best <- function(fit, repeats) min(replicate(repeats, system.time(suppressWarnings(fit()))[["user.self"]]))
show <- function(name, program, fit, repeats = 3) cat(sprintf("%-22s %-8s %.3f\n", name, program, best(fit, repeats)))
d <- lme4::sleepstudy; d$day <- factor(d$Days)
show("sleepstudy gls", "nlme", function() gls(Reaction ~ Days, d, correlation = corAR1(form = ~ Days | Subject)))
show("sleepstudy lme", "nlme", function() lme(Reaction ~ Days, d, random = ~ 1 | Subject, correlation = corAR1(form = ~ Days | Subject)))
show("sleepstudy gls", "glmmTMB", function() glmmTMB(Reaction ~ Days + ar1(day + 0 | Subject), d, dispformula = ~ 0, REML = TRUE))
f <- read.csv(files[1], stringsAsFactors = TRUE); f <- f[!is.na(f$FEV1), ]
show("fev_data unstructured", "nlme", function() gls(FEV1 ~ RACE + SEX + ARMCD * AVISIT, f, correlation = corSymm(form = ~ VISITN | USUBJID), weights = varIdent(form = ~ 1 | VISITN)))
show("fev_data unstructured", "glmmTMB", function() glmmTMB(FEV1 ~ RACE + SEX + ARMCD * AVISIT + us(AVISIT + 0 | USUBJID), f, dispformula = ~ 0, REML = TRUE))
e <- read.csv(files[2])
show("egsingle CAR(1)", "nlme", function() lme(math ~ year, e, random = ~ 1 | childid, correlation = corCAR1(form = ~ year | childid)), 1)
