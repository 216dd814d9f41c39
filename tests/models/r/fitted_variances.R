# nlme's variances by fitted values: values of test_residual_structures.py
library(nlme)
gc <- glsControl(tolerance=1e-11, msTol=1e-13, maxIter=300, msMaxIter=500)
o <- transform(as.data.frame(Orthodont), Subject=factor(as.character(Subject)))
show <- function(n,m) cat(n, format(as.numeric(logLik(m)),digits=13), "power", format(unname(coef(m$modelStruct$varStruct)),digits=10), "sigma", format(m$sigma,digits=10), "beta", format(unname(if(inherits(m,"lme")) fixef(m) else coef(m)),digits=10), "\n")
show("gls_power", gls(distance ~ age * Sex, o, weights=varPower(), control=gc))
show("gls_power_ml_cs", gls(distance ~ age * Sex, o, correlation=corCompSymm(form=~1|Subject), weights=varPower(form=~fitted(.)), method="ML", control=gc))
show("gls_exp", gls(distance ~ age * Sex, o, weights=varExp(), control=gc))
