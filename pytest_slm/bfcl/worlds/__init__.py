"""BFCL's conversations of several turns, in which the model calls tools that keep what was done to them."""
