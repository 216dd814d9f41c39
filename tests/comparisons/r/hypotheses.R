# Values of hypotheses.json: car's, lmerTest's, pbkrtest's and clubSandwich's tests of linear
# hypotheses of models of the bundled data. Run in this folder: Rscript hypotheses.R
# (R 4.2.2, car 3.1-1, lmerTest 3.1-3, pbkrtest 0.5.2, clubSandwich 0.5.8, lme4 1.1-31)
suppressMessages({library(car); library(lmerTest); library(pbkrtest); library(clubSandwich)
  library(sandwich); library(jsonlite)})
data <- "../../../mlpool/datasets/data"
hsb <- read.csv(file.path(data, "hsb82.csv.gz")); hsb$school <- factor(hsb$school)
hsb$sector <- factor(hsb$sector, levels = c("Public", "Catholic"))
hsb <- hsb[order(as.integer(hsb$school)), ]
cb <- read.csv(file.path(data, "cbpp.csv")); cb$period <- factor(cb$period); cb$herd <- factor(cb$herd)
tight <- lmerControl(optimizer = "bobyqa", optCtrl = list(rhobeg = 0.1, rhoend = 1e-9))
lm1 <- lm(math ~ ses * sector, hsb)
glm1 <- glm(cbind(incidence, size - incidence) ~ period, binomial, cb, epsilon = 1e-14)
lmer1 <- lmer(math ~ ses * sector + (1 | school), hsb, control = tight)
asked <- list(
  two = c("ses = 3", "sectorCatholic = 2"), sum = "2*ses - sectorCatholic = 1",
  equal = "ses = sectorCatholic", inter = c("ses:sectorCatholic = -1", "(Intercept) = 12"))
out <- list()
for (name in names(asked)) {
  h <- asked[[name]]; P <- names(coef(lm1))
  L <- rbind(car::makeHypothesis(P, h)); rhs <- L[, ncol(L)]; L <- L[, -ncol(L), drop = FALSE]
  a <- linearHypothesis(lm1, h); r <- linearHypothesis(lm1, h, vcov. = vcovCL(lm1, hsb$school))
  x <- linearHypothesis(lm1, h, test = "Chisq")
  w <- Wald_test(lm1, L, vcov = vcovCR(lm1, hsb$school, "CR2"), test = "HTZ")
  c1 <- contest(lmer1, L, rhs = rhs, joint = TRUE)
  k1 <- contest(lmer1, L, rhs = rhs, joint = TRUE, ddf = "Kenward-Roger")
  z <- linearHypothesis(lmer1, h)
  out[[name]] <- list(hypotheses = h, L = unname(L), rhs = unname(rhs),
    lm = list(ss = a$`Sum of Sq`[2], F = a$F[2], p = a$`Pr(>F)`[2]),
    lm_vcovCL = list(F = r$F[2], p = r$`Pr(>F)`[2]),
    lm_chisq = list(chisq = x$Chisq[2], p = x$`Pr(>Chisq)`[2]),
    lm_htz_of_zero = list(F = w$Fstat, df = w$df_denom, p = w$p_val),
    satterthwaite = list(F = c1$`F value`, df = c1$DenDF, p = c1$`Pr(>F)`),
    kenward = list(F = k1$`F value`, df = k1$DenDF, p = k1$`Pr(>F)`),
    lmer_chisq = list(chisq = z$Chisq[2], p = z$`Pr(>Chisq)`[2]))
}
g <- linearHypothesis(glm1, c("period2 = period3", "period4 = -1"))
out$glm <- list(chisq = g$Chisq[2], p = g$`Pr(>Chisq)`[2])
writeLines(toJSON(out, digits = I(15), auto_unbox = TRUE), "hypotheses.json")
