"""In place of rank_bm25, for BFCL's memory of keys: BM25Plus (Lv and Zhai 2011). Runs in the sandbox only.

The numbers are made in the order in which rank_bm25 0.2.2 makes them with numpy, so that they are the same floats.
"""

from collections import Counter
from decimal import Context, Decimal
from functools import cache


@cache
def log(number):
    """The float that is nearest to the logarithm: the sandbox's own is the one beside it, now and then."""
    return float(Context(prec=40).ln(Decimal(number)))


class BM25Plus:
    """Scores of documents, each a list of words."""

    def __init__(self, corpus, k1=1.5, b=0.75, delta=1):
        self.k1, self.b, self.delta = k1, b, delta
        self.documents = [(len(words), Counter(words)) for words in corpus]
        self.mean = sum(length for length, _ in self.documents) / len(self.documents)

    def get_scores(self, query):
        """The score of each document."""
        scores = [0.0] * len(self.documents)
        for word in query:
            having = sum(word in counts for _, counts in self.documents)
            weight = log((len(self.documents) + 1) / having) if having else 0
            for place, (length, counts) in enumerate(self.documents):
                count = counts[word]
                relative = self.k1 * (1 - self.b + self.b * length / self.mean) + count
                scores[place] += weight * (self.delta + count * (self.k1 + 1) / relative)
        return scores
