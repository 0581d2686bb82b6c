"""What suites and tasks are called, and what they say of themselves."""
