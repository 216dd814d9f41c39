# Values of tests/comparisons/test_fixed_effects_tests.py: F tests between models of fixed effects.
# Run in this folder: Rscript modcomp.R   (R 4.2.2, lme4 1.1-31, pbkrtest 0.5.2)
suppressMessages({library(lme4); library(pbkrtest)})
data <- "../../../mlpool/datasets/data"
sleep <- read.csv(file.path(data, "sleepstudy.csv")); sleep$Subject <- factor(sleep$Subject)
cake <- read.csv(file.path(data, "cake.csv"))
cake$recipe <- factor(cake$recipe); cake$replicate <- factor(cake$replicate)
tight <- lmerControl(optimizer = "bobyqa", optCtrl = list(rhoend = 1e-9))
pairs <- list(
  list(lmer(Reaction ~ 1 + (Days | Subject), sleep, control = tight),
       lmer(Reaction ~ Days + I(Days^2) + (Days | Subject), sleep, control = tight)),
  list(lmer(angle ~ temp + (1 | recipe:replicate), cake, control = tight),
       lmer(angle ~ recipe * temp + (1 | recipe:replicate), cake, control = tight)),
  list(lmer(angle ~ temp + (1 | recipe:replicate), cake, control = tight),
       lmer(angle ~ recipe + temp + (1 | recipe:replicate), cake, control = tight)))
options(digits = 12)
for (p in pairs) { print(KRmodcomp(p[[2]], p[[1]])$test); print(SATmodcomp(p[[2]], p[[1]])$test) }
