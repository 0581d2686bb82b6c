"""Cells: what is measured once, wherever that is, and merged as a set.

- ``cell``     all that a result depends on, and its hash
- ``hashes``   of files that were read before
- ``store``    a folder with a file for each cell that was measured
- ``shards``   which cells each of several machines takes
- ``merging``  stores as sets, and what contradicts
"""
