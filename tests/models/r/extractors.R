# Values of tests/models/r/extractors.json: deviance, df.residual, terms, model.frame, residuals.
# Run in this folder: Rscript extractors.R   (R 4.2.2, lme4 1.1-31)
suppressMessages({library(lme4); library(jsonlite)})
data <- "../../../mlpool/datasets/data"
cb <- read.csv(file.path(data, "cbpp.csv")); cb$period <- factor(cb$period); cb$herd <- factor(cb$herd)
sleep <- read.csv(file.path(data, "sleepstudy.csv")); sleep$Subject <- factor(sleep$Subject)
sleep$w <- 1 + seq_len(nrow(sleep)) %% 3; sleep$Days[4] <- NA
models <- list(
  lm = lm(log(Reaction) ~ Days + I(Days^2) + factor(Subject), sleep, weights = w),
  glm = glm(incidence ~ period + offset(log(size)), poisson, cb),
  lmer = lmer(Reaction ~ Days + (Days | Subject), sleep, REML = FALSE),
  glmer = glmer(cbind(incidence, size - incidence) ~ period + (1 | herd), cb, binomial,
                control = glmerControl(tolPwrss = 1e-12))
)
number <- function(x) if (is.factor(x)) as.integer(x) else as.numeric(x)
values <- function(m) {
  frame <- model.frame(m)
  list(
    deviance = deviance(m), df_residual = df.residual(m), terms = attr(terms(m), "term.labels"),
    names = names(frame), rows = nrow(frame), sums = vapply(frame, function(x) sum(number(x)), 0),
    residuals = sum(abs(residuals(m))), response = sum(abs(residuals(m, type = "response")))
  )
}
write(toJSON(lapply(models, values), digits = NA, auto_unbox = TRUE, pretty = TRUE), "extractors.json")
