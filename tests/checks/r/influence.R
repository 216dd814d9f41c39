# Values of influence.json: influence.measures of lm and glm, lme4's influence and cooks.distance, and
# Mahalanobis distances with performance's thresholds.
# Run in this folder: Rscript influence.R   (R 4.2.2, lme4 1.1-31, performance 0.10.2)
suppressMessages({library(lme4); library(performance); library(jsonlite)})
data <- "../../../mlpool/datasets/data"
d <- read.csv(file.path(data, "Orthodont.csv")); d$w <- 1 + seq_len(nrow(d)) %% 3
d$tall <- as.numeric(d$distance > 24)
sleep <- read.csv(file.path(data, "sleepstudy.csv")); sleep$Subject <- factor(sleep$Subject)
cb <- read.csv(file.path(data, "cbpp.csv")); cb$period <- factor(cb$period); cb$herd <- factor(cb$herd)
tight <- lmerControl(optimizer = "bobyqa", optCtrl = list(rhoend = 1e-9))
gtight <- glmerControl(optimizer = "bobyqa", tolPwrss = 1e-12, optCtrl = list(rhobeg = 0.1, rhoend = 1e-9))
single <- function(m) list(dfbeta = unname(dfbeta(m)), dfbetas = unname(dfbetas(m)),
  cook = unname(cooks.distance(m)), hat = unname(hatvalues(m)))
out <- list()
out$lm <- single(lm(distance ~ age + Sex, d, weights = w))
out$glm <- single(glm(tall ~ age + Sex, binomial, d, control = glm.control(epsilon = 1e-14)))
out$gamma <- single(glm(distance ~ age + Sex, Gamma(log), d, weights = w,
  control = glm.control(epsilon = 1e-14)))
deleted <- function(m, group) {
  i <- influence(m, group)
  b <- i[[paste0("fixed.effects[-", group, "]")]]
  v <- i[[paste0("vcov[-", group, "]")]]
  db <- matrix(fixef(m), nrow(b), ncol(b), byrow = TRUE) - b
  list(labels = rownames(b), dfbeta = unname(db), dfbetas = unname(-dfbetas(i)),
    cook = unname(cooks.distance(i)), varcov = unname(i[[paste0("var.cov.comps[-", group, "]")]]))
}
slopes <- lmer(Reaction ~ Days + (Days | Subject), sleep, control = tight)
out$sleep <- deleted(slopes, "Subject")
out$sleep$case_cook <- unname(cooks.distance(slopes)); out$sleep$hat <- unname(hatvalues(slopes))
herds <- glmer(cbind(incidence, size - incidence) ~ period + (1 | herd), cb, binomial, control = gtight)
# lme4's influence() of glmer stops its refits early (period2 without herd 1: -1.16207, glmer() itself
# -1.16254): here each herd is left out of the data
without <- lapply(levels(cb$herd), function(h) update(herds, data = subset(cb, herd != h)))
db <- t(fixef(herds) - sapply(without, fixef))
se <- t(sapply(without, function(f) sqrt(diag(as.matrix(vcov(f))))))
J <- nrow(db); p <- ncol(db)
out$cbpp <- list(labels = levels(cb$herd), dfbeta = unname(db), dfbetas = unname(db / se),
  cook = unname((J - p) / (J * p) * diag(db %*% solve(as.matrix(vcov(herds)), t(db)))),
  varcov = unname(cbind(sapply(without, function(f) getME(f, "theta")^2))))
X <- as.data.frame(model.matrix(distance ~ age + Sex + I(age^2) * Sex, d)[, -1])
o <- check_outliers(X, method = "mahalanobis")
out$mahalanobis <- list(distance = attributes(o)$data$Distance_Mahalanobis,
  threshold = attributes(o)$threshold$mahalanobis)
o <- check_outliers(X, method = "mahalanobis", threshold = list(mahalanobis = 4.5))
out$mahalanobis$outliers <- which(o)
writeLines(toJSON(out, digits = 17, na = "null", auto_unbox = TRUE), "influence.json")
