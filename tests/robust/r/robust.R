# Values of tests/robust/r/robust.json: clubSandwich's tests of models of the bundled data.
# Run in this folder: Rscript robust.R   (R 4.2.2, clubSandwich 0.5.8, lme4 1.1-31)
suppressMessages({library(clubSandwich); library(lme4); library(jsonlite)})
data <- "../../../mlpool/datasets/data"
hsb <- read.csv(file.path(data, "hsb82.csv.gz")); hsb$school <- factor(hsb$school)
hsb$sector <- factor(hsb$sector, levels = c("Public", "Catholic"))
sleep <- read.csv(file.path(data, "sleepstudy.csv")); sleep$Subject <- factor(sleep$Subject)
cb <- read.csv(file.path(data, "cbpp.csv")); cb$period <- factor(cb$period); cb$herd <- factor(cb$herd)
tight <- lmerControl(optCtrl = list(xtol_abs = 1e-12, ftol_abs = 1e-12))
set.seed(1)
hsb <- hsb[order(as.integer(hsb$school)), ]
sleep$w <- 1 + (sleep$Days %% 3)
models <- list(
  lm = list(lm(math ~ ses * sector, hsb), hsb$school, 2:4),
  lm_weights = list(lm(Reaction ~ Days + I(Days^2), sleep, weights = w), sleep$Subject, 2:3),
  glm = list(glm(cbind(incidence, size - incidence) ~ period, binomial, cb, epsilon = 1e-14), cb$herd, 2:4),
  glm_ones = list(glm(I(math > 13) ~ ses + sector, binomial, hsb, epsilon = 1e-14), hsb$school, 2:3),
  glm_poisson = list(glm(incidence ~ period, poisson, cb, epsilon = 1e-14), cb$herd, 2:4),
  lmer = list(lmer(math ~ ses + sector + (ses | school), hsb, control = tight), hsb$school, 2:3),
  lmer_ml = list(lmer(math ~ ses + (1 | school), hsb, REML = FALSE, control = tight), hsb$school, 2)
)
out <- list()
for (name in names(models)) {
  m <- models[[name]][[1]]; g <- models[[name]][[2]]; q <- models[[name]][[3]]
  for (type in c("CR0", "CR1", "CR2", "CR3")) {
    V <- vcovCR(m, cluster = g, type = type)
    ct <- coef_test(m, vcov = V, test = c("Satterthwaite", "naive-t", "z"))
    wt <- Wald_test(m, constrain_zero(q), vcov = V, test = c("HTZ", "Naive-F"))
    out[[name]][[type]] <- list(vcov = unclass(as.matrix(V))[, ], se = ct$SE, df = ct$df_Satt,
      p = ct$p_Satt, p_naive = ct$p_t, p_z = ct$p_z,
      F = wt$Fstat, df_denom = wt$df_denom, p_F = wt$p_val)
  }
}
writeLines(toJSON(out, digits = I(15), auto_unbox = TRUE), "robust.json")
