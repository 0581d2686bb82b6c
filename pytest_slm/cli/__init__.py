"""The command ``pytest-slm``; each command is one call into its room."""
