# boot.ci() of package boot on 999 draws of a correlation: run `Rscript boot_ci.R` in this folder.
library(boot); library(jsonlite)
set.seed(1)
d <- read.csv("../../../mlpool/datasets/data/sleepstudy.csv")
w <- reshape(d[d$Days %in% c(0, 9), ], direction = "wide", idvar = "Subject", timevar = "Days")
x <- w[, grepl("Reaction", names(w))]
b <- boot(x, function(z, i) c(cor(z[i, 1], z[i, 2]), mean(z[i, 2])), R = 999)
L <- sapply(1:2, function(k) empinf(b, index = k))
out <- lapply(c("0.95" = 0.95, "0.8" = 0.8), function(level) lapply(1:2, function(k) {
  ci <- boot.ci(b, conf = level, index = k, L = L[, k], type = c("norm", "basic", "perc", "bca"))
  list(normal = ci$normal[2:3], basic = ci$basic[4:5], percentile = ci$percent[4:5], bca = ci$bca[4:5])
}))
writeLines(toJSON(list(version = paste("boot", packageVersion("boot")), estimate = b$t0, draws = b$t,
  influence = L, intervals = out), digits = 15, auto_unbox = TRUE), "boot_ci.json")
