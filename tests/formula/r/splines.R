# R values of tests/formula/test_splines.py (R 4.2.2): Rscript splines.R
library(splines); x <- c(0.3,1.1,2.7,3.2,4.8,5.5,7.1,8.9); options(digits=12)
print(unclass(bs(x, df=5))[1:8,]); b <- bs(x, knots=c(3,6), degree=2, intercept=TRUE, Boundary.knots=c(0,10)); print(unclass(b)[1:8,]); print(predict(bs(x, df=4), c(-1, 5, 12))[,])
