"""In place of sentence-transformers, for BFCL's memory of vectors: the embeddings of all texts that its calls name are
made outside, by a real model, and handed in with the world. Runs in the sandbox only."""

KNOWN = {}
"""The embeddings of this world, by their texts."""


class SentenceTransformer:
    """Gives what was handed in."""

    def __init__(self, name, device="cpu"):
        self.name = name

    def get_sentence_embedding_dimension(self):
        """Nobody here needs it."""
        return 0

    def encode(self, texts, normalize_embeddings=True):
        """The embedding of each text, of length 1."""
        missing = next((text for text in texts if text not in KNOWN), None)
        if missing is not None:
            raise ValueError(f"no embedding of {missing[:80]!r}")
        return [KNOWN[text] for text in texts]
