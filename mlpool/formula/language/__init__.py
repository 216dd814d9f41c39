"""Formula text to terms: lexer, tokens, R's algebra of terms, bars; what a formula may say."""
