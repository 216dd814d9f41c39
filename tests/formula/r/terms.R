# R's own reading of formulas.txt: terms, intercept and offsets, and the columns of model.matrix.
# Rscript terms.R  (in this folder; R 4.2, jsonlite) writes terms.json.
formulas <- readLines("formulas.txt")
set.seed(1)
d <- expand.grid(a = c("a1", "a2", "a3"), b = c("b1", "b2"), r = 1:4, stringsAsFactors = TRUE)
d$x <- seq_len(nrow(d)) / 7
d$z <- cos(seq_len(nrow(d)))
d$y <- seq_len(nrow(d)) + 0.5
read_one <- function(text) {
  t <- terms(as.formula(text))
  variables <- attr(t, "variables")
  offsets <- attr(t, "offset")
  list(
    labels = as.list(attr(t, "term.labels")), intercept = attr(t, "intercept"),
    offsets = if (is.null(offsets)) list() else
      as.list(sapply(offsets, function(i) deparse(variables[[i + 1]]))),
    columns = as.list(colnames(model.matrix(t, d)))
  )
}
out <- lapply(setNames(formulas, formulas), function(text)
  tryCatch(read_one(text), error = function(e) list(error = conditionMessage(e))))
writeLines(jsonlite::toJSON(out, auto_unbox = TRUE, pretty = TRUE), "terms.json")
