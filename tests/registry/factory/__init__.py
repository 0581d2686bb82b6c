"""Makes run reports like real ones: scores with Wilson intervals, raw timings with noise, a skip and an error."""

from .pieces import FACTS, TASKS, rounds, scored, share, timing
from .runs import MACHINE, make_run
from .speeds import STEAL, performance, timings
from .storing import agreeing, change_model, make_samples, store_run, with_questions

__all__ = [
    "FACTS",
    "MACHINE",
    "STEAL",
    "TASKS",
    "agreeing",
    "change_model",
    "make_run",
    "make_samples",
    "performance",
    "rounds",
    "scored",
    "share",
    "store_run",
    "timing",
    "timings",
    "with_questions",
]
