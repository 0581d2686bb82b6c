"""BFCL's questions about what was said in earlier conversations, of which the model has kept what it wanted to keep."""
