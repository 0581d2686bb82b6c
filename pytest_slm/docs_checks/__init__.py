"""Pages of documentation, and what is wrong in them: pure checks, each finding with its file and line."""
