# Values of bootstrap_test.json: responses simulated from a smaller model (rounded), their likelihood
# ratios by lme4, and pbkrtest's PBmodcomp with these as reference and with one of its own.
# Run in this folder: Rscript bootstrap_test.R   (R 4.2.2, lme4 1.1-31, pbkrtest 0.5.2)
suppressMessages({library(lme4); library(pbkrtest); library(jsonlite)})
data <- "../../../mlpool/datasets/data"
cake <- subset(read.csv(file.path(data, "cake.csv")), replicate >= 5 & replicate <= 9)
cake$recipe <- factor(cake$recipe); cake$replicate <- factor(cake$replicate)
cb <- read.csv(file.path(data, "cbpp.csv")); cb$period <- factor(cb$period); cb$herd <- factor(cb$herd)
tight <- lmerControl(optimizer = "bobyqa", optCtrl = list(rhoend = 1e-9))
gtight <- glmerControl(optimizer = "bobyqa", tolPwrss = 1e-12, optCtrl = list(rhobeg = 0.1, rhoend = 1e-9))
pairs <- list(
  cake = list(lmer(angle ~ temp + (1 | recipe:replicate), cake, REML = FALSE, control = tight),
              lmer(angle ~ recipe + temp + (1 | recipe:replicate), cake, REML = FALSE, control = tight)),
  cbpp = list(glmer(cbind(incidence, size - incidence) ~ 1 + (1 | herd), cb, binomial, control = gtight),
              glmer(cbind(incidence, size - incidence) ~ period + (1 | herd), cb, binomial, control = gtight)))
out <- list()
for (name in names(pairs)) {
  small <- pairs[[name]][[1]]; big <- pairs[[name]][[2]]
  y <- simulate(small, 8, seed = 1)
  if (name == "cake") y <- round(y, 1)
  ratio <- sapply(y, function(v) as.numeric(2 * (logLik(refit(big, v)) - logLik(refit(small, v)))))
  given <- PBmodcomp(big, small, ref = ratio)$test
  first <- if (name == "cake") as.list(y) else lapply(y, function(v) v[, 1])
  out[[name]] <- list(y = unname(first), ratio = unname(ratio), stat = given["LRT", "stat"],
    df = given["LRT", "df"], p_LRT = given["LRT", "p.value"], p_given = given["PBtest", "p.value"])
}
own <- PBmodcomp(pairs$cake[[2]], pairs$cake[[1]], nsim = 1000, seed = 1)
out$cake$p_1000 <- own$test["PBtest", "p.value"]
writeLines(toJSON(out, digits = 15, auto_unbox = TRUE), "bootstrap_test.json")
