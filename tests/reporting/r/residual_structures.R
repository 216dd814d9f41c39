# The numbers of test_residual_structures.py: broom.mixed's frames of nlme's models.
# R 4.2.2, nlme 3.1-162, broom.mixed 0.2.9.4. Run: Rscript residual_structures.R
suppressMessages({library(nlme); library(broom.mixed)})
data(sleepstudy, package = "lme4")
s <- sleepstudy
s$z <- ifelse(as.integer(s$Subject) %% 2 == 0, "a", "b")
control <- lmeControl(tolerance = 1e-10, msTol = 1e-12, msMaxIter = 500, maxIter = 500)
m <- lme(Reaction ~ Days, random = ~ 1 | Subject, s, correlation = corAR1(form = ~ Days | Subject),
         weights = varIdent(form = ~ 1 | z), control = control)
print(as.data.frame(tidy(m)), digits = 10)
print(as.data.frame(augment(m, data = s))[1:2, c(".fitted", ".resid", ".fixed")], digits = 10)
g <- gls(Reaction ~ Days, s, correlation = corAR1(form = ~ Days | Subject),
         control = glsControl(tolerance = 1e-10, msTol = 1e-12))
print(as.data.frame(augment(g, data = s))[1:2, c(".fitted", ".resid")], digits = 10)
print(packageVersion("broom.mixed"))
