"""Where the samples of a task come from, when it is no file beside it."""
