# Values of tests/checks/r/checks.json: performance's checks of models of the bundled data.
# Run in this folder: Rscript checks.R   (R 4.2.2, performance 0.10.2, lme4 1.1-31, car 3.1-1)
#
# performance 0.10.2 takes the wrong sigma of mixed and weighted models for its Breusch-Pagan test:
# the test is made here from Pearson residuals and sigma(m), as in car's ncvTest. lme4's hatvalues()
# weights the rows of a glmer by prior weights, which gives leverages above one: they are made here
# from the same pieces with working weights.
suppressMessages({library(lme4); library(performance); library(jsonlite)})
data <- "../../../mlpool/datasets/data"
hsb <- read.csv(file.path(data, "hsb82.csv.gz")); hsb$school <- factor(hsb$school)
hsb$sector <- factor(hsb$sector, levels = c("Public", "Catholic"))
part <- hsb[hsb$school %in% levels(hsb$school)[1:40], ]; part$school <- droplevels(part$school)
sleep <- read.csv(file.path(data, "sleepstudy.csv")); sleep$Subject <- factor(sleep$Subject)
sleep$w <- 1 + (sleep$Days %% 3)
sleep$count <- round(sleep$Reaction / 100)
cb <- read.csv(file.path(data, "cbpp.csv")); cb$period <- factor(cb$period); cb$herd <- factor(cb$herd)
pen <- read.csv(file.path(data, "Penicillin.csv"))
pen$plate <- factor(pen$plate); pen$sample <- factor(pen$sample)
dye2 <- read.csv(file.path(data, "Dyestuff2.csv")); dye2$Batch <- factor(dye2$Batch)
tight <- lmerControl(optCtrl = list(xtol_abs = 1e-12, ftol_abs = 1e-12))
gtight <- glmerControl(optimizer = "bobyqa", tolPwrss = 1e-12, optCtrl = list(rhoend = 1e-9))
models <- list(
  lm = lm(math ~ ses * sector + meanses, part),
  lm_large = lm(math ~ ses + sector + meanses, hsb),
  lm_weights = lm(Reaction ~ Days + I(Days^2), sleep, weights = w),
  glm_binomial = glm(I(math > 13) ~ ses + sector + minority, binomial, part, epsilon = 1e-14),
  glm_trials = glm(cbind(incidence, size - incidence) ~ period, binomial, cb, epsilon = 1e-14),
  glm_poisson = glm(incidence ~ period + size, poisson, cb, epsilon = 1e-14),
  lmer = lmer(Reaction ~ Days + (Days | Subject), sleep, control = tight),
  lmer_ml = lmer(math ~ ses + sector + meanses + (1 | school), part, REML = FALSE, control = tight),
  lmer_large = lmer(math ~ ses + meanses + (1 | school), hsb, control = tight),
  lmer_weights = lmer(Reaction ~ Days + I(Days^2) + (1 | Subject), sleep, weights = w, control = tight),
  lmer_crossed = lmer(diameter ~ 1 + (1 | plate) + (1 | sample), pen, control = tight),
  lmer_singular = suppressMessages(lmer(Yield ~ 1 + (1 | Batch), dye2, control = tight)),
  glmer_trials = glmer(cbind(incidence, size - incidence) ~ period + (1 | herd), cb, binomial, control = gtight),
  glmer_poisson = glmer(incidence ~ period + size + (1 | herd), cb, poisson, control = gtight),
  glmer_binomial = glmer(I(math > 13) ~ ses + sector + (1 | school), part, binomial, control = gtight)
)
quiet <- function(x) suppressWarnings(suppressMessages(x))
number <- function(x) if (is.null(x) || inherits(x, "try-error")) NULL else as.numeric(x)
said <- function(x) if (is.null(x) || inherits(x, "try-error")) NULL else sub("\n+$", "", paste(capture.output(invisible(print(x))), collapse = "\n"))
ask <- function(x) { out <- NULL; capture.output(out <- quiet(try(x, silent = TRUE))); if (inherits(out, "try-error")) NULL else out }
is_linear <- function(m) insight::model_info(m)$is_linear
breusch_pagan <- function(m) {
  e <- residuals(m, "pearson"); S <- df.residual(m) * sigma(m)^2 / length(e)
  u <- e^2 / S; fitted <- as.numeric(fitted(m))
  ss <- anova(lm(u ~ fitted))[["Sum Sq"]]; chisq <- sum(ss[-length(ss)]) / 2
  list(statistic = chisq, p = pchisq(chisq, 1, lower.tail = FALSE))
}
leverage <- function(m) {
  if (!isGLMM(m)) return(hatvalues(m))
  pp <- m@pp; root <- Diagonal(x = sqrt(weights(m, type = "working")))
  L <- pp$L(); CL <- solve(L, solve(L, pp$Lambdat %*% pp$Zt %*% root, system = "P"), system = "L")
  CR <- solve(t(pp$RX()), t(pp$X) %*% root - t(pp$RZX) %*% CL)
  colSums(as.matrix(CR)^2) + colSums(as.matrix(CL)^2)
}
cook <- function(m) {
  if (!inherits(m, "merMod")) return(cooks.distance(m))
  h <- leverage(m); p <- length(fixef(m)); e <- residuals(m, "pearson") / sigma(m)
  (e / (1 - h))^2 * h / p
}
durbin_watson <- function(m) { e <- residuals(m); sum(diff(e)^2) / sum(e^2) }
out <- list()
for (name in names(models)) {
  m <- models[[name]]; r <- list()
  r$singular <- as.logical(check_singularity(m))
  r$durbin_watson <- durbin_watson(m)
  if (is_linear(m)) {
    r$breusch_pagan <- breusch_pagan(m)
    r$normality <- number(ask(check_normality(m))); r$normality_text <- said(ask(check_normality(m)))
  }
  if (inherits(m, "merMod")) {
    random <- ask(check_normality(m, effects = "random"))
    if (is_linear(m)) { r$random <- number(random); r$random_text <- said(random) }
  }
  p <- length(if (inherits(m, "merMod")) fixef(m) else coef(m))
  d <- unname(cook(m))
  r$cook <- list(threshold = qf(0.5, p, nobs(m) - p), first = d[1:6], sum = sum(d), max = max(d),
    outliers = unname(which(cook(m) > qf(0.5, p, nobs(m) - p))))
  found <- ask(check_outliers(m))
  if (!(inherits(m, "glmerMod"))) { r$outliers <- which(as.vector(found)); r$outliers_text <- said(found) }
  vif <- ask(check_collinearity(m))
  if (!is.null(vif)) r$vif <- as.list(as.data.frame(vif))
  over <- ask(check_overdispersion(m))
  if (!is.null(over)) { r$overdispersion <- unclass(over)[c("chisq_statistic", "dispersion_ratio", "residual_df", "p_value")]
    r$overdispersion_text <- said(over) }
  zeros <- ask(check_zeroinflation(m))
  if (!is.null(zeros)) r$zeros <- unclass(zeros)[c("predicted.zeros", "observed.zeros", "ratio")]
  out[[name]] <- r
}
out$heterogeneity <- as.character(quiet(check_heterogeneity_bias(hsb, select = c("ses", "meanses"), group = "school")))
writeLines(toJSON(out, digits = I(15), auto_unbox = TRUE, null = "null", na = "null"), "checks.json")
