"""Multiple choice in which the options change their places."""
