"""What the headers of weights on the Hub say, read by HTTP ranges: kilobytes instead of the file."""

from pytest_slm.models.remote.headers import FetchCosts, HeaderReader

__all__ = ["FetchCosts", "HeaderReader"]
