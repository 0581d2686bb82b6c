"""What a model writes behind the beginning of a text."""
