"""``benchmarks/`` is no part of the installed package: its tests find it in the checkout."""

import sys
from pathlib import Path

# At the end, so that the package under test stays the one that is installed.
sys.path.append(str(Path(__file__).resolve().parents[2]))
