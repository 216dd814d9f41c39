# R values of tests/formula/test_column_functions.py (R 4.2.2): Rscript columns.R
library(splines); options(digits = 15)
x <- c(0.3, 1.1, 2.7, 3.2, 4.8, 5.5, 7.1, 8.9); y <- (0:7)^1.5
print(unclass(ns(x, df = 3))[c(1, 4, 8), ])
print(unclass(ns(x, knots = c(3, 6), intercept = TRUE, Boundary.knots = c(0, 8)))[c(1, 4, 8), ])
print(predict(lm(y ~ ns(x, 3)), data.frame(x = c(-1, 5, 12))))
print(coef(lm(y ~ ns(x))))
print(as.character(cut(x, 3))); print(as.character(cut(x * 1000, 4, dig.lab = 2)))
print(as.character(cut(x, c(0.3, 3, 8), include.lowest = TRUE)))
print(as.character(cut(x, c(0.3, 3.2, 8.9), right = FALSE, include.lowest = TRUE)))
print(as.character(cut(x, c(-Inf, 2.71828, 3.14159, Inf)))); print(cut(x, c(0, 3, 9), labels = FALSE))
print(as.character(cut(c(1, 1.00001, 1.00002, 2), c(1, 1.00001, 1.00002, 2)))); print(levels(cut(c(5, 5), 2)))
print(coef(lm(y ~ cut(x, c(0, 3, 9), labels = c("low", "high"), ordered_result = TRUE))))
print(coef(lm(y ~ I((x - mean(x)) / sd(x)) + I((x > median(x)) * max(x) / min(x)))))
