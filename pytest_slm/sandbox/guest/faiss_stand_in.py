"""In place of faiss, for BFCL's memory of vectors: the exact search by inner products. Runs in the sandbox only.

Scores are rounded to the nearest float of 32 bits, which is what faiss computes in; of equal ones the older is first.
"""

import struct
from math import fsum


class IndexFlatIP:
    """An index that compares by inner products."""

    def __init__(self, dimension):
        self.dimension = dimension


class IndexIDMap:
    """Vectors with numbers of their own."""

    def __init__(self, index):
        self.vectors = {}

    def add_with_ids(self, vectors, ids):
        """Keep these too."""
        self.vectors.update(zip(ids, vectors, strict=True))

    def remove_ids(self, ids):
        """Forget these."""
        for one in ids:
            self.vectors.pop(one, None)

    def reset(self):
        """Forget all."""
        self.vectors.clear()

    def search(self, queries, n):
        """For each query the scores of the n nearest, and their numbers; -1 where there are fewer."""
        found = [self.nearest(query, n) for query in queries]
        return [[score for score, _ in row] for row in found], [[one for _, one in row] for row in found]

    def nearest(self, query, n):
        """The n nearest of one query."""
        scored = [(rounded(fsum(a * b for a, b in zip(query, v, strict=True))), one) for one, v in self.vectors.items()]
        scored.sort(key=lambda pair: -pair[0])
        return [*scored[:n], *[(-3.4028234663852886e38, -1)] * (n - len(scored))]


def rounded(number):
    """The nearest float of 32 bits."""
    return struct.unpack("f", struct.pack("f", number))[0]
