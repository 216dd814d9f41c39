# Values of tests/broom/r/broom.json: tidy, glance and augment of broom and broom.mixed.
# Run in this folder: Rscript broom.R   (R 4.2.2, lmerTest 3.1-3, broom 1.0.3, broom.mixed 0.2.9.4)
suppressMessages({library(lmerTest); library(broom); library(broom.mixed); library(jsonlite)})
data <- "../../../mlpool/datasets/data"
cb <- read.csv(file.path(data, "cbpp.csv")); cb$period <- factor(cb$period); cb$herd <- factor(cb$herd)
sleep <- read.csv(file.path(data, "sleepstudy.csv")); sleep$Subject <- factor(sleep$Subject)
sleep$w <- 1 + seq_len(nrow(sleep)) %% 3
tight <- glmerControl(optimizer = "bobyqa", tolPwrss = 1e-12)
models <- list(
  lm = lm(Reaction ~ Days, sleep, weights = w),
  glm = glm(cbind(incidence, size - incidence) ~ period, binomial, cb),
  lmer = lmer(Reaction ~ Days + (Days | Subject), sleep,
              control = lmerControl(optimizer = "bobyqa", optCtrl = list(rhoend = 1e-9))),
  lmer_ml = lmer(Reaction ~ Days + (1 | Subject), sleep, REML = FALSE,
                 control = lmerControl(optimizer = "bobyqa", optCtrl = list(rhoend = 1e-9))),
  glmer = glmer(cbind(incidence, size - incidence) ~ period + (1 | herd), cb, binomial, control = tight)
)
columns <- function(x) as.list(as.data.frame(x))
values <- function(m) {
  made <- suppressWarnings(augment(m))
  first <- min(grep("^\\.", names(made)))
  list(
    tidy = columns(tidy(m, conf.int = TRUE, conf.level = 0.9)),
    odds = if (is(m, "glm") || is(m, "glmerMod")) columns(tidy(m, exponentiate = TRUE)) else NULL,
    modes = if (is(m, "merMod")) columns(tidy(m, effects = "ran_vals")) else NULL,
    groups = if (is(m, "merMod")) columns(tidy(m, effects = "ran_coefs")) else NULL,
    glance = columns(glance(m)), augment = columns(head(made[first:ncol(made)], 12))
  )
}
write(toJSON(suppressMessages(lapply(models, values)), digits = NA, auto_unbox = TRUE, pretty = TRUE, na = "null"), "broom.json")
