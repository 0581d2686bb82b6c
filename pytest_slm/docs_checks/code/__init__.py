"""Code in pages: what a fence says about itself, and running it."""
