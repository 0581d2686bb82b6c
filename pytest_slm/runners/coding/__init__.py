"""Tasks whose answers are programs: ours from a file, and those of lm-eval. All programs run in the sandbox."""
