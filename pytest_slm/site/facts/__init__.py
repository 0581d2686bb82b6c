"""What pages about many models have to know of each: its files, and what it adds to their sums."""
