"""How likely a model finds the same words after more and more of the text before them."""
