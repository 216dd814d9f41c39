# Values in test_not_estimable.py: R 4.2.2, emmeans 1.8.4.
library(emmeans)
mtcars$f <- factor(mtcars$cyl)
mtcars$h <- factor(ifelse(mtcars$cyl == 4, "a", ifelse((seq_len(32) - 1) %% 2 == 1, "a", "b")))
m <- lm(mpg ~ f * h + wt, mtcars)
print(joint_tests(m)); print(joint_tests(m, by = "h"))
print(pairs(emmeans(m, ~ f | h))); print(pairs(emmeans(m, ~ f | h), adjust = "holm"))
d <- data.frame(
  route = c(rep("injection", 5), rep("oral", 9)),
  drug = c(rep("Bov", 3), rep("Char", 2), rep("Ang", 4), rep("Her", 2), rep("Mol", 3)),
  resp = c(34, 35, 34, 44, 43, 36, 33, 36, 32, 26, 25, 25, 24, 24))
m <- lm(resp ~ route + drug, d)
print(emmeans(m, "route")); print(emmeans(m, "drug")); print(joint_tests(m))
d <- data.frame(nest = rep(c("a", "a", "b", "b", "b", "c", "c"), 6), bird = rep(paste0("b", 0:6), 6),
                x = 0:41 %% 5, trt = rep(c("u", "u", "v", "v", "w", "w"), 7))
d$y <- d$x + (d$nest == "b") + (0:41 * 37 %% 11) / 11 + (0:41 * 5 %% 7) / 7
m <- lm(y ~ trt * nest + bird + x, d)
print(joint_tests(m)); print(pairs(emmeans(m, ~ trt)), digits = 7); print(pairs(emmeans(m, ~ bird | nest)), digits = 7)
