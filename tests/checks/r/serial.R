# The numbers of test_serial.py. R 4.2.2, nlme 3.1-162. Run: Rscript serial.R
suppressMessages(library(nlme)); data(sleepstudy, package = "lme4"); s <- sleepstudy
m <- gls(Reaction ~ Days, s, correlation = corAR1(form = ~ Days | Subject),
         control = glsControl(tolerance = 1e-10, msTol = 1e-12))
for (type in c("pearson", "response", "normalized")) {
  a <- ACF(m, resType = type, maxLag = 4); print(a$ACF, digits = 10); print(attr(a, "n.used"))
  v <- Variogram(m, form = ~ Days | Subject, resType = type); print(v$variog[1:4], digits = 10)
  print(v$n.pairs[1:4])
}
o <- lme(distance ~ age, random = ~ 1 | Subject, Orthodont)
print(ACF(o)$ACF, digits = 10)
s$t <- s$Days + round(((seq_len(180) * 7) %% 13) / 26, 3)
o <- lme(Reaction ~ Days, random = ~ 1 | Subject, s)
v <- Variogram(o, form = ~ t); print(v$variog, digits = 8); print(v$dist, digits = 8); print(v$n.pairs)
