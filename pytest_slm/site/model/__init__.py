"""The parts of a model's page, each a view of its own."""
