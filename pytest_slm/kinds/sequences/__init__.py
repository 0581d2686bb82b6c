"""Tasks whose answers are calls one after the other, which are run."""
