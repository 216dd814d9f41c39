# R 4.2, lme4 1.1-31: the printed texts in this folder. Run here: Rscript make.R
suppressPackageStartupMessages(library(lme4)); options(width = 100)
TC <- lmerControl(optimizer = "bobyqa", optCtrl = list(rhobeg = 0.1, rhoend = 1e-9))
tight <- function(m) { m@call$control <- NULL; m }
save_text <- function(name, x) writeLines(capture.output(print(x)), paste0(name, ".txt"))
s <- sleepstudy; s$D2 <- 2 * s$Days
save_text("summary_dbar_ml", summary(tight(lmer(Reaction ~ Days + (Days || Subject), s, REML = FALSE, control = TC))))
save_text("print_dbar_ml", tight(lmer(Reaction ~ Days + (Days || Subject), s, REML = FALSE, control = TC)))
save_text("summary_crossed", summary(tight(lmer(diameter ~ 1 + (1 | plate) + (1 | sample), Penicillin, control = TC))))
save_text("summary_nested", summary(tight(lmer(strength ~ 1 + (1 | batch/cask), Pastes, control = TC))))
m <- glm(cbind(incidence, size - incidence) ~ period, data = cbpp, family = binomial)
save_text("print_glm", m); save_text("summary_glm", summary(m))
save_text("print_lm", lm(Reaction ~ Days, s))
save_text("summary_lm_aliased", summary(lm(Reaction ~ Days + D2, s)))
save_text("summary_lm_no_intercept", summary(lm(Reaction ~ 0 + Days, s)))
s2 <- s; s2$Days[3] <- NA; s2$w <- 1 + (1:180) %% 3
save_text("summary_lm_weighted_missing", summary(lm(Reaction ~ Days, s2, weights = w)))
save_text("summary_many_columns", summary(lm(angle ~ recipe * temp, cake)))
# Generalised mixed models; wide, so that the first line is one line.
options(width = 130); GC <- glmerControl(optimizer = "bobyqa", optCtrl = list(rhoend = 1e-10, maxfun = 1e5), tolPwrss = 1e-13)
glmm <- list(
  agq = glmer(cbind(incidence, size - incidence) ~ period + (1 | herd), cbpp, binomial, nAGQ = 10, control = GC),
  quick_cloglog = glmer(cbind(incidence, size - incidence) ~ period + (1 | herd), cbpp, binomial("cloglog"), nAGQ = 0, control = GC),
  poisson_offset = glmer(incidence ~ period + offset(log(size)) + (1 | herd), cbpp, poisson, control = GC),
  probit_slopes = glmer(I(Reaction > 290) ~ Days + (Days | Subject), s, binomial("probit"), control = GC))
for (n in names(glmm)) { save_text(paste0("summary_glmer_", n), summary(tight(glmm[[n]]))); save_text(paste0("print_glmer_", n), tight(glmm[[n]])) }
