"""Types, statistics and arithmetic that need nothing but the standard library."""
