"""What is kept of each model from one build of the site to the next."""
