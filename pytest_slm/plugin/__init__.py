"""The pytest side: options, fixtures, items, and what happens between the first and the last of them."""
