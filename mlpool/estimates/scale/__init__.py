"""The scale of answers: links, transformed responses, ratios."""
