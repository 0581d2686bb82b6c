"""Facts of models from the Hugging Face Hub, kept in files that are the same for the same answers."""

from pytest_slm.handbook.sync.run import SyncResult, sync

__all__ = ["SyncResult", "sync"]
