"""In place of BFCL's memory_api_metaclass, whose one task is to keep snapshots in files. Runs in the sandbox only.

Here a memory is what the calls until now have made of it, and they are all made again: there is nothing to be kept.
"""


class MemoryAPI:
    """What BFCL's classes of memories are derived from."""

    def _prepare_snapshot(self, initial_config):
        """The memory to begin with: none."""
