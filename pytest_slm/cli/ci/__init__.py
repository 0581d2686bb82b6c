"""``pytest-slm ci``: the steps of the workflows."""
