# Values of lm_list.json: lme4's lmList with its summary and confint.
# Run in this folder: Rscript lm_list.R   (R 4.2.2, lme4 1.1-31)
suppressMessages({library(lme4); library(jsonlite)})
data <- "../../../mlpool/datasets/data"
sleep <- read.csv(file.path(data, "sleepstudy.csv")); sleep$Subject <- factor(sleep$Subject)
cb <- read.csv(file.path(data, "cbpp.csv")); cb$herd <- factor(cb$herd)
d <- read.csv(file.path(data, "Orthodont.csv"))
d <- d[-c(2, 3, 4, 7, 8, 9), ]        # groups of one and of two rows
d$distance[12] <- NA
d$w <- 1 + seq_len(nrow(d)) %% 3
table3 <- function(l) {
  s <- summary(l)$coefficients
  list(names = dimnames(s)[[3]], levels = dimnames(s)[[1]],
       estimate = unname(s[, 1, ]), se = unname(s[, 2, ]), t = unname(s[, 3, ]), p = unname(s[, 4, ]))
}
out <- list()
l <- lmList(Reaction ~ Days | Subject, sleep)
out$sleep <- c(table3(l), sigma = sigma(l), df = summary(l)$df.residual,
  list(own = unname(confint(l)["337", , "Days"]), pooled = unname(confint(l, pool = TRUE)["337", , "Days"])))
o <- lmList(distance ~ age + I(age^2) | Subject, d)
out$few <- list(levels = rownames(coef(o)), coef = as.matrix(unname(coef(o))))
# R counts the missing coefficients of a group among its own (pooledSD), so the SDs differ: rss and df
# of each group are those of lm
parts <- lapply(split(d, d$Subject), function(s) lm(distance ~ age + I(age^2), s))
out$few$rss <- unname(sapply(parts, deviance)); out$few$df <- unname(sapply(parts, df.residual))
v <- lapply(split(d, d$Subject), function(s) lm(distance ~ age, s, weights = w))
out$weighted <- list(coef = unname(t(sapply(v, coef))), rss = unname(sapply(v, deviance)),
  se = unname(t(sapply(v, function(f) {
    s <- summary(f)$coefficients[, 2]; if (df.residual(f) == 0) c(NA, NA) else c(s, NA)[1:2] }))))
g <- lmList(cbind(incidence, size - incidence) ~ as.numeric(period) | herd, cb, family = binomial)
out$cbpp <- table3(g)
# glm() stops a step before its maximum: the same fits, taken to the end
tight <- glm.control(epsilon = 1e-14, maxit = 100)
exact <- lapply(split(cb, cb$herd), function(s)
  glm(cbind(incidence, size - incidence) ~ as.numeric(period), binomial, s, control = tight))
for (j in which(!names(exact) %in% c("8", "9", "14"))) {
  s <- summary(exact[[j]])$coefficients
  stopifnot(all.equal(unname(s[, 2]), out$cbpp$se[j, ], tolerance = 1e-4))
  out$cbpp$estimate[j, ] <- s[, 1]; out$cbpp$se[j, ] <- s[, 2]
  out$cbpp$t[j, ] <- s[, 3]; out$cbpp$p[j, ] <- s[, 4]
}
gam <- lapply(split(sleep, sleep$Subject), function(s)
  glm(Reaction ~ Days, s, family = Gamma(log), control = tight))
out$gamma <- list(coef = unname(t(sapply(gam, coef))),
  se = unname(t(sapply(gam, function(f) summary(f)$coefficients[, 2]))))
writeLines(toJSON(out, digits = 17, na = "null", auto_unbox = TRUE), "lm_list.json")
