"""In place of BFCL's memory_api_metaclass, whose one task is to keep snapshots in files. Runs in the sandbox only.

Here a memory is what the calls until now have made of it, and they are all made again: there is nothing to be kept.
"""

import sys


class MemoryAPI:
    """What BFCL's classes of memories are derived from."""

    def _prepare_snapshot(self, initial_config):
        """The memory to begin with: none; embeddings that the world has are those of this memory."""
        if isinstance(initial_config, dict) and "embeddings" in initial_config:
            known = sys.modules["sentence_transformers"].KNOWN
            known.clear()
            known.update(initial_config["embeddings"])
