"""The Berkeley Function Calling Leaderboard (BFCL v4, Patil et al. 2025): its rows, its prompts and its checker."""
