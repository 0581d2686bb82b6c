"""In place of numpy, for BFCL's memory of vectors: rows are lists. Runs in the sandbox only."""

ndarray = list
float32 = int64 = None


def asarray(values, dtype=None):
    """The values as they are."""
    return values


def array(values, dtype=None):
    """The values as a list of its own."""
    return list(values)
