"""What a model has answered, kept batch by batch, so that a run that was killed goes on where it was.

- ``batches``     requests in batches that are the same in every run
- ``store``       a file of answers: one line a batch, with its checksum
- ``keeping``     a backend that keeps what the model answers, and takes over what is there
- ``lines``       the sample lines of an item
- ``unfinished``  which run a session goes on with

See docs/decisions/0011-resume-by-batches.md for why it is batches and not single answers.
"""

from pytest_slm.answers.keeping import Keeper, Kept, ignore_kept
from pytest_slm.answers.lines import file_name, lines
from pytest_slm.answers.unfinished import FOLDER, RunStart, begin, choose, close

__all__ = ["FOLDER", "Keeper", "Kept", "RunStart", "begin", "choose", "close", "file_name", "ignore_kept", "lines"]
