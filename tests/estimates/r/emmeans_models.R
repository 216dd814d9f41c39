# Values of emmeans_models.json: emmeans' tables of eight models of different kinds.
# Run in this folder: Rscript emmeans_models.R   (R 4.2.2, emmeans 1.8.4, lme4 1.1-31)
suppressMessages({library(emmeans); library(lme4); library(jsonlite); library(lmerTest)})
data <- "../../../mlpool/datasets/data"
d <- read.csv(file.path(data, "Orthodont.csv")); d$Sex <- factor(d$Sex, levels=c("Male","Female"))
d$agef <- factor(d$age); d$w <- 1 + seq_len(nrow(d)) %% 3; d$k <- round(d$distance) - 15; d$tall <- as.numeric(d$distance + 6 * sin(3 * seq_len(nrow(d))) > 24)
d$t <- 1 + (seq_len(nrow(d)) %% 5)
d$g <- factor(c("a","b","c")[1 + (as.integer(factor(d$Subject)) %% 3)])
models <- list(
 lm = lm(distance ~ age * Sex + g, d),
 logit = glm(tall ~ agef + Sex * g, binomial, d),
 poisson = glm(k ~ Sex * agef + offset(log(t)), poisson, d),
 lmer = lmer(distance ~ agef * Sex + (1 | Subject), d),
 glmer = glmer(tall ~ age + Sex + (1 | Subject), d, binomial),
 log = lm(log(distance) ~ Sex * agef, d, weights = w),
 sqrt = lm(sqrt(distance) ~ age + Sex * g, d),
 deficient = lm(distance ~ Sex * agef + g, subset(d, !(Sex == "Female" & agef == "8")))
)
T <- function(x) { s <- as.data.frame(x); for (n in names(s)) if (is.factor(s[[n]])) s[[n]] <- as.character(s[[n]]); s }
out <- list()
add <- function(name, x) out[[name]] <<- T(x)
m <- models$lm
add("lm ~Sex", emmeans(m, ~ Sex)); add("lm ~age", emmeans(m, ~ age)); add("lm age", emmeans(m, "age", at = list(age = c(8, 12))))
add("lm covreduce F", emmeans(m, ~ age, cov.reduce = FALSE)); add("lm covreduce range", emmeans(m, ~ age | Sex, cov.reduce = range))
add("lm covreduce median", emmeans(m, ~ Sex, cov.reduce = median))
add("lm pairwise|", emmeans(m, pairwise ~ Sex | age, at = list(age = c(8, 14)))$contrasts)
add("lm simple each Sex", contrast(emmeans(m, ~ Sex * g), "pairwise", simple = "each")[[1]])
add("lm simple each g", contrast(emmeans(m, ~ Sex * g), "pairwise", simple = "each")[[2]])
add("lm simple g", pairs(emmeans(m, ~ Sex * g), simple = "g"))
add("lm interaction", contrast(emmeans(m, ~ Sex * g), interaction = c("pairwise", "consec")))
add("lm by", pairs(emmeans(m, ~ Sex * g), by = "g"))
add("lm emtrends", emtrends(m, pairwise ~ Sex, var = "age")$contrasts)
m <- models$logit
add("logit link", emmeans(m, ~ Sex | g)); add("logit resp", emmeans(m, ~ Sex | g, type = "response"))
add("logit pairs", pairs(emmeans(m, ~ g | Sex))); add("logit pairs resp", pairs(emmeans(m, ~ g | Sex), type = "response"))
add("logit regrid", pairs(regrid(emmeans(m, ~ g)))); add("logit trt", contrast(emmeans(m, ~ agef), "trt.vs.ctrl"))
add("logit w", emmeans(m, ~ Sex, weights = "proportional", type = "response"))
m <- models$poisson
add("poisson", emmeans(m, ~ Sex)); add("poisson resp", emmeans(m, ~ agef | Sex, type = "response"))
add("poisson offset0", emmeans(m, ~ Sex, offset = 0, type = "response")); add("poisson consec", contrast(emmeans(m, ~ agef), "consec", type = "response"))
add("poisson simple", contrast(emmeans(m, ~ Sex * agef, type = "response"), "revpairwise", simple = "Sex"))
m <- models$lmer
add("lmer", emmeans(m, ~ Sex | agef)); add("lmer pairs", pairs(emmeans(m, ~ agef | Sex))); add("lmer poly", contrast(emmeans(m, ~ agef), "poly"))
add("lmer eff", contrast(emmeans(m, ~ agef | Sex), "eff")); add("lmer inter", contrast(emmeans(m, ~ agef * Sex), interaction = "pairwise"))
add("lmer joint", joint_tests(m))
m <- models$glmer
add("glmer", emmeans(m, ~ Sex)); add("glmer resp", emmeans(m, ~ Sex | age, type = "response", at = list(age = c(8, 14)))); add("glmer OR", pairs(emmeans(m, ~ Sex), type = "response"))
m <- models$log
add("log", emmeans(m, ~ Sex)); add("log resp", emmeans(m, ~ Sex | agef, type = "response")); add("log ratios", pairs(emmeans(m, ~ agef | Sex, type = "response"), reverse = TRUE))
add("log unlink", pairs(regrid(emmeans(m, ~ Sex)))) 
m <- models$sqrt
add("sqrt", emmeans(m, ~ g | Sex)); add("sqrt resp", emmeans(m, ~ g, type = "response")); add("sqrt pairs", pairs(emmeans(m, ~ g, type = "response")))
m <- models$deficient
add("def", emmeans(m, ~ agef | Sex)); add("def Sex", emmeans(m, ~ Sex)); add("def pairs", pairs(emmeans(m, ~ agef | Sex))); add("def joint", joint_tests(m))
writeLines(toJSON(out, digits = 15, na = "null", auto_unbox = TRUE), "emmeans_models.json")
