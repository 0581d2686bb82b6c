"""Two runs side by side: what is faster, what is better, and what cannot be said (``pytest-slm compare``)."""

from pytest_slm.comparing.comparison import Comparison, compare, read_run
from pytest_slm.comparing.gate import reasons, verdict
from pytest_slm.comparing.text import told

__all__ = ["Comparison", "compare", "read_run", "reasons", "told", "verdict"]
