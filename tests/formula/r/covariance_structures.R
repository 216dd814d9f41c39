# glmmTMB's diag(): log-likelihoods (REML) and standard deviations of test_covariance_structures.py
library(lme4)
library(glmmTMB)
options(digits = 12)
for (m in list(
  glmmTMB(angle ~ recipe + diag(0 + recipe | replicate), cake, REML = TRUE),
  glmmTMB(Reaction ~ Days + diag(Days | Subject), sleepstudy, REML = TRUE)
)) {
  print(logLik(m))
  print(sqrt(diag(VarCorr(m)$cond[[1]])))
}
