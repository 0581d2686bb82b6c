"""What a person reads on the terminal: the line in between, the summary, tables."""
