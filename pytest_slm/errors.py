"""What goes wrong, said in one line: place, thing, remedy, and a slug that the docs explain.

Every user mistake and every failed measurement is an ``SlmError``; anything else that is raised is a bug and
keeps its traceback. ``docs/errors.md`` lists the slugs, and a test keeps that list complete.
"""

from __future__ import annotations

import difflib
import errno
import re
import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from operator import ne

LONG, SHORT = re.compile(r"(\S{150})\S{50,}(\S{100})"), r"\1…\2"
"""A word that is too long for a line of which a person reads all, and what is left of it."""
LONGEST_LINE = 1_000
"""Letters of a line; of a longer one the beginning and the end are told."""

JOINERS = "\u200c\u200d"
"""Invisible characters that ordinary words and emoji hold."""
BLANKS = "\u115f\u1160\u2800\u3164\uffa0"
"""Letters that look like nothing."""


def shown(text: str) -> str:
    """The text as one line of a terminal, with control characters, ends of lines, marks of direction and invisible
    characters written out (``\\x1b``, ``\\u202e``): a name from a file can neither colour the terminal nor turn a line
    around. What is shown already stays as it is."""
    if text.isascii() and text.isprintable():
        return text
    return "".join(
        char.encode("unicode_escape").decode()
        if char in BLANKS or (unicodedata.category(char) in ("Cc", "Cf", "Cs", "Zl", "Zp") and char not in JOINERS)
        else char
        for char in text
    )


def lines_shown(text: str) -> str:
    """The same for a text of many lines, which keeps them and its tabs."""
    return "\n".join("\t".join(map(shown, line.split("\t"))) for line in text.split("\n"))


_FOLDERS = re.compile(r"(?<![\w.…/:~])(?:[A-Za-z]:[\\/]|/)(?:[^\s/\\:'\",;()\[\]]+[\\/])+(?=[^\s/\\])")
"""The folders of an absolute path, of whatever system; what has one folder only, such as /no_think, is none."""


def without_folders(text: str, home: Sequence[str] = ()) -> str:
    """The text for readers elsewhere: of absolute paths only the last part is left, behind an ellipsis. ``home`` are
    folders whose names have spaces or the like, and are known."""
    for folder in sorted({one.rstrip("/\\") for one in home} - {"", "~"}, key=lambda one: (-len(one), one)):
        text = text.replace(f"{folder}/", "…/")
    return _FOLDERS.sub("…/", text)


class SlmError(Exception):
    """An expected failure, told to the user as ``message  [slug]`` without a traceback."""

    slug = "slm-error"

    def __init__(self, message: str, *, slug: str | None = None) -> None:
        super().__init__(shown(" ".join(message.split("\n"))))
        if slug is not None:
            self.slug = slug

    def __str__(self) -> str:
        text = LONG.sub(SHORT, self.args[0])
        if len(text) > LONGEST_LINE:
            text = f"{text[: LONGEST_LINE - 250]} … {text[-200:]}"
        return f"{text}  [{self.slug}]"


def told(error: SlmError) -> str:
    """An expected failure as a report has it: its message, and the notes on it."""
    return lines_shown("\n".join([str(error), *getattr(error, "__notes__", ())]))


class UsageError(SlmError):
    """The command line, a submission or a suite is wrong: nothing can start (exit code 4)."""

    slug = "usage"


class TaskError(UsageError):
    """A task that cannot be meant: ``mistakes`` are (dotted key of its file, what is wrong there), all at once."""

    slug = "task-option"

    def __init__(self, path: str, mistakes: Sequence[tuple[str, str]]) -> None:
        super().__init__(f"{path}: {': '.join(mistakes[0])}")
        self.path = path
        self.mistakes = tuple(mistakes)

    def __str__(self) -> str:
        return "\n".join(shown(f"{self.path}: {key}: {problem}  [{self.slug}]") for key, problem in self.mistakes)


class NotAvailableError(SlmError):
    """A package, capability or data set that this item needs is missing: the item is skipped, with the remedy."""

    slug = "not-available"


class BackendError(SlmError):
    """The engine could not do what was asked: the item is an error, never a wrong answer."""

    slug = "backend"


class ScoringError(SlmError):
    """What scores an answer failed: the item is an error, its answers are kept and can be scored again."""

    slug = "scoring"


class HostDiedError(BackendError):
    """The process that holds the model ended in mid-request."""

    slug = "host-died"


class HostTimeoutError(BackendError):
    """The process that holds the model did not answer in time and was ended."""

    slug = "host-timeout"


class ReportError(SlmError):
    """A report, a registry or a sample file could not be read or written."""

    slug = "report"


SAME_MEANING: Mapping[str, tuple[str, ...]] = {
    **dict.fromkeys(("n_shot", "nshot", "shots", "few_shot", "num_few_shot", "num_few_shots"), ("num_fewshot",)),
    **dict.fromkeys(("max_new_tokens", "max_length", "max_gen_toks", "n_predict"), ("max_tokens",)),
    **dict.fromkeys(("prompt", "prompts", "questions", "data"), ("samples",)),
    **dict.fromkeys(("dataset", "dataset_name", "dataset_path"), ("samples", "task")),
    **dict.fromkeys(("system_prompt", "system_message"), ("system",)),
    **dict.fromkeys(("stop_sequences", "until"), ("stop",)),
    **dict.fromkeys(("threshold", "minimum"), ("gate", "limit")),
    **dict.fromkeys(("quants", "quantization", "files"), ("quantizations",)),
    **dict.fromkeys(("repo", "repo_id", "model_id"), ("hf_repo", "source")),
    **dict.fromkeys(("author", "submitter"), ("submitted_by",)),
    **dict.fromkeys(("equals", "equal", "exact_match", "is"), ("exact",)),
    **dict.fromkeys(("icontains", "contains_any", "contains-any", "contains_all", "contains-all"), ("contains",)),
    **dict.fromkeys(("is_json", "is-json", "json", "contains-json"), ("json_schema",)),
    **dict.fromkeys(("levenshtein", "fuzzy", "similar"), ("similarity",)),
    **dict.fromkeys(("rouge_n", "rouge-n", "rougel"), ("rouge",)),
    **dict.fromkeys(("llm_rubric", "llm-rubric", "assert", "asserts", "assertions"), ("rubric", "checks")),
    **dict.fromkeys(("case_sensitive", "case", "ignorecase"), ("ignore_case",)),
    **dict.fromkeys(("regexp", "re"), ("regex", "pattern")),
    **dict.fromkeys(("atol", "abs_tol", "epsilon"), ("tolerance",)),
    **dict.fromkeys(("rtol", "rel_tol"), ("relative",)),
}
"""Words of other tools, and ours for the same thing."""
FEW = 400
"""Letters in a list of words that somebody still reads."""


def did_you_mean(wrong: str, known: Iterable[str], *, page: str = "") -> str:
    """A sentence that offers the known word which is meant or hardly differs: ``Did you mean 'limits'?`` Otherwise it
    lists the known words if they are few, or sends to the ``page`` of the documents that explains them."""
    words = sorted(known)
    folded = {_folded(word): word for word in words}
    same = next((word for word in SAME_MEANING.get(wrong.lower(), ()) if word in words), None)
    near = difflib.get_close_matches(
        _folded(wrong), [key for key in folded if _hardly_differ(_folded(wrong), key)], n=1
    )
    # The beginning of one word only is meant as that word: sample for samples.
    longer = [key for key in folded if len(wrong) > 1 and key.startswith(_folded(wrong))]
    meant = same or next((folded[key] for key in (*near, *longer[: len(longer) == 1])), None)
    if meant:
        return f"Did you mean {meant!r}?"
    if not words:
        return "There is nothing to choose from."
    listed = ", ".join(words)
    if len(listed) <= FEW:
        return f"Known: {listed}."
    return f"See {page}." if page else f"Known: {listed[:FEW].rpartition(', ')[0]} and more."


def _folded(word: str) -> str:
    return word.casefold().replace("-", "_").replace(" ", "_")


def _hardly_differ(one: str, two: str) -> bool:
    """Whether one is the other with a typing mistake: a fifth of their letters, two that changed places, or one."""
    if len(one) == len(two) > 2 and (sum(map(ne, one, two)) == 1 or sorted(one) == sorted(two)):
        return True
    return difflib.SequenceMatcher(None, one, two).ratio() >= 0.8


def writing_failed(path: object, error: OSError) -> ReportError:
    """The ``ReportError`` for a write that failed: a full disk, a read-only folder, or what else the system said."""
    if error.errno == errno.ENOSPC:
        return ReportError(
            f"{path}: the disk is full. Free some space, or write elsewhere (runs: --slm-reports=DIR)", slug="disk-full"
        )
    if error.errno in (errno.EACCES, errno.EROFS, errno.EPERM):
        return ReportError(
            f"{path}: not writable ({error.strerror}). Choose another folder (runs: --slm-reports=DIR)",
            slug="read-only",
        )
    return ReportError(
        f"{path}: cannot be written ({error.strerror or error}). Choose another folder (runs: --slm-reports=DIR)",
        slug="report-write",
    )
