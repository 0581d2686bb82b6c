"""What a task of RULER says of itself: the arguments of RULER's own ``synthetic.yaml``, and where data are from."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from pytest_slm.core.record import Record, RecordError, stays_inside
from pytest_slm.core.types import Dataset

Needle = Literal["words", "numbers", "uuids"]


@dataclass(frozen=True, kw_only=True)
class RulerOptions(Record):
    """``task`` and its arguments, called as in RULER's ``scripts/synthetic.yaml``.

    ``essays`` is a file of the mirror (JSONL with ``text``) and ``haystack`` one of the suite's folder, sentences one a
    line, which stands in where the mirror has no essays. ``rows`` is the data set of the Hub that the questions of
    ``dataset`` are read from, with its configuration and split.
    """

    task: Literal["niah", "variable_tracking", "common_words_extraction", "freq_words_extraction", "qa"]
    type_haystack: Literal["essay", "noise", "needle"] = "essay"
    type_needle_k: Needle = "words"
    type_needle_v: Needle = "numbers"
    num_needle_k: int = 1
    num_needle_v: int = 1
    num_needle_q: int = 1
    num_hops: int = 4
    freq_cw: int = 30
    freq_ucw: int = 3
    num_cw: int = 10
    dataset: Literal["squad", "hotpotqa"] = "squad"
    rows: str = ""
    rows_config: str | None = None
    split: str = "validation"
    essays: str = ""
    haystack: str = ""

    def __post_init__(self) -> None:
        super().__post_init__()
        counts = (
            *("num_needle_k", "num_needle_v", "num_needle_q"),
            *("num_hops", "freq_cw", "freq_ucw", "num_cw"),
        )
        for name in counts:
            if getattr(self, name) < 1:
                raise RecordError(f"{name}: expected a whole number from 1, not {getattr(self, name)}")
        for name in ("essays", "haystack"):
            if getattr(self, name) and not stays_inside(getattr(self, name)):
                raise RecordError(f"{name}: expected a relative path, not {getattr(self, name)!r:.80}")
        if self.task == "niah" and self.type_haystack == "essay" and not self.haystack:
            raise RecordError("haystack: the sentences that stand in where the mirror has no essays are missing")
        if self.task == "niah" and max(self.num_needle_k, self.num_needle_q) * self.num_needle_v > 40:
            raise RecordError("num_needle_k: there are 40 depths, so at most 40 needles")
        if self.task == "qa" and not self.rows:
            raise RecordError("rows: the data set of the Hub with the questions is missing")

    @property
    def data(self) -> Dataset:
        """The data set with the questions."""
        return Dataset(path=self.rows, config=self.rows_config, split=self.split)
