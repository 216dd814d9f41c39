# Names that packages of R export, for exports.txt: Rscript exports.R > exports.txt
#
# Namespaces are read, nothing is run. Operators, replacement functions and names that begin with
# a dot are left out, for nobody types them first.
packages <- c(
  "lme4", "lmerTest", "parameters", "performance", "modelbased", "emmeans", "broom.mixed",
  "sjPlot", "ggeffects", "merTools", "car", "pbkrtest", "clubSandwich"
)
# Packages that are not installed are read from the NAMESPACE files of their sources, if a folder
# of such files (modelbased, sjPlot, ggeffects) is given.
sources <- commandArgs(trailingOnly = TRUE)
exports_of <- function(package) {
  if (requireNamespace(package, quietly = TRUE)) return(getNamespaceExports(package))
  lines <- readLines(file.path(sources[1], package))
  found <- regmatches(lines, regexec("^export\\((.*)\\)$", lines))
  vapply(Filter(length, found), function(x) x[2], "")
}
for (package in packages) {
  names <- exports_of(package)
  names <- sort(unique(names[grepl("^[A-Za-z][A-Za-z0-9._]*$", names)]), method = "radix")
  cat("# ", package, "\n", paste0(names, "\n"), "\n", sep = "")
}
