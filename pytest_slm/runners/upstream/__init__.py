"""lm-eval as a library: where its tasks are declared, their rows, their questions, and its verdicts."""
