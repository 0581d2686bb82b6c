"""The program that does for scorers what an answer can make endless: see ``process.py``, which starts it by its path.

Nothing imports it. One JSON line in, one out. In: ``do``, the name of the work, ``seconds`` of processor time for it,
and its arguments. Out: ``result``, or ``error`` in words.
"""

from __future__ import annotations

import json
import re
import signal
import sys
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

try:
    import resource
except ImportError:  # Windows
    resource = None  # type: ignore[assignment]

MOST_ERRORS = 20
LONGEST_MESSAGE = 200


def _regex() -> Callable[..., Any]:
    def search(pattern: str, text: str, *, ignore_case: bool, full: bool, last: bool) -> Any:
        compiled = re.compile(pattern, re.IGNORECASE if ignore_case else 0)
        found = compiled.fullmatch(text) if full else compiled.search(text)
        if found and last and not full:
            (found,) = deque(compiled.finditer(text), maxlen=1)
        return [found[0], found.groupdict()] if found else None

    return search


def _schema() -> Callable[..., Any]:
    import jsonschema
    from jsonschema.validators import validator_for

    def validate(schema: Any, value: Any) -> Any:
        """The parts of the value that are looked at, and what is wrong with which of them: [part, place, message]. A
        part is a key of the object, and "" is all else."""
        made = validator_for(schema, default=jsonschema.Draft202012Validator)(schema, registry=_no_network())
        wrong = []
        errors: Iterator[Any] = made.iter_errors(value)
        for error in errors:
            path = list(error.absolute_path)
            message = error.message if len(error.message) < LONGEST_MESSAGE else f"does not fit {error.validator!r}"
            missing = [key for key in error.validator_value if key not in value] if _lacks(error, path) else []
            for part in missing or [str(path[0]) if path and isinstance(value, dict) else ""]:
                wrong.append([part, error.json_path[:LONGEST_MESSAGE], message[:LONGEST_MESSAGE]])
            if len(wrong) >= MOST_ERRORS:
                break
        wanted = schema if isinstance(schema, dict) else {}
        parts = {str(key) for key in wanted.get("required", ())}
        parts |= set(wanted.get("properties", {})) & set(value) if isinstance(value, dict) else set()
        return [sorted(parts), wrong]

    return validate


def _lacks(error: Any, path: list[Any]) -> bool:
    return error.validator == "required" and not path


def _no_network() -> Any:
    from jsonschema_specifications import REGISTRY

    return REGISTRY  # knows the dialects, and fetches nothing


def _check_schema() -> Callable[..., Any]:
    import jsonschema
    from jsonschema.validators import validator_for

    def check(schema: Any) -> str | None:
        """What is wrong with a schema."""
        try:
            validator_for(schema, default=jsonschema.Draft202012Validator).check_schema(schema)
        except jsonschema.SchemaError as error:
            return f"{error.json_path}: {error.message[:LONGEST_MESSAGE]}"
        for key, value in _keywords(schema):
            if key in ("$ref", "$dynamicRef") and not _is_there(schema, value):
                return f"{key} {value!r:.80} leads nowhere in the schema, and other files are not read"
        return None

    return check


def _keywords(schema: Any) -> Iterator[tuple[str, Any]]:
    """Every keyword of a schema and of those in it, with its value."""
    if isinstance(schema, list):
        for one in schema:
            yield from _keywords(one)
    if not isinstance(schema, dict):
        return
    for key, value in schema.items():
        yield key, value
        if key in ("properties", "patternProperties", "$defs", "definitions", "dependentSchemas"):
            for one in value.values() if isinstance(value, dict) else ():
                yield from _keywords(one)
        elif key not in ("const", "enum", "default", "examples"):
            yield from _keywords(value)


def _is_there(schema: Any, reference: str) -> bool:
    if not reference.startswith("#"):
        return False
    if reference[1:] and not reference.startswith("#/"):
        return any(key in ("$anchor", "$dynamicAnchor") and value == reference[1:] for key, value in _keywords(schema))
    place = schema
    for step in reference.split("/")[1:]:
        key: Any = step.replace("~1", "/").replace("~0", "~")
        if isinstance(place, list) and key.isdecimal() and int(key) < len(place):
            place = place[int(key)]
        elif isinstance(place, dict) and key in place:
            place = place[key]
        else:
            return False
    return isinstance(place, dict | bool)


def _similarity() -> Callable[..., Any]:
    from rapidfuzz import fuzz
    from rapidfuzz.distance import JaroWinkler, Levenshtein

    others: Mapping[str, Callable[..., float]] = {
        "levenshtein": Levenshtein.normalized_similarity,
        "jaro_winkler": JaroWinkler.normalized_similarity,
    }

    def similarity(method: str, text: str, targets: Sequence[str]) -> list[float]:
        if method in others:
            return [others[method](target, text) for target in targets]
        return [getattr(fuzz, method)(target, text) / 100 for target in targets]

    return similarity


class _Words:
    """Letters and digits of any script, in the form that rouge-score takes tokenizers."""

    def tokenize(self, text: str) -> list[str]:
        return re.findall(r"\w+", text.casefold())


def _rouge() -> Callable[..., Any]:
    from rouge_score.rouge_scorer import RougeScorer

    def rouge(text: str, targets: Sequence[str], *, variant: str, measure: str, stem: bool, words: bool) -> list[float]:
        scorer = RougeScorer([variant], use_stemmer=stem, tokenizer=_Words() if words else None)
        name = {"f": "fmeasure"}.get(measure, measure)
        return [float(getattr(scorer.score(target, text)[variant], name)) for target in targets]

    return rouge


def _bleu() -> Callable[..., Any]:
    from sacrebleu import sentence_bleu

    def bleu(text: str, targets: Sequence[str], *, tokenize: str, ignore_case: bool) -> list[float]:
        """BLEU of one sentence against all references at once."""
        return [sentence_bleu(text, list(targets), tokenize=tokenize, lowercase=ignore_case).score / 100]

    return bleu


WORK: Mapping[str, Callable[[], Callable[..., Any]]] = {
    "regex": _regex,
    "schema": _schema,
    "check_schema": _check_schema,
    "similarity": _similarity,
    "rouge": _rouge,
    "bleu": _bleu,
}


def answer(order: dict[str, Any]) -> dict[str, Any]:
    """What comes of one order. The time runs when all is imported."""
    work, seconds = WORK[order.pop("do")](), order.pop("seconds")
    timer = getattr(signal, "setitimer", None)
    if timer:  # nobody handles the signal, so it ends the process, whatever C code is doing
        timer(signal.ITIMER_PROF, seconds)
    try:
        return {"result": work(**order)}
    except MemoryError:
        return {"memory": True}
    except Exception as error:  # whatever a library makes of an answer is told, and ends no other work
        return {"error": f"{type(error).__name__}: {error!s:.200}"}
    finally:
        if timer:
            timer(signal.ITIMER_PROF, 0)


def main(memory: int) -> None:
    """Take orders until nobody gives any more."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    if resource is not None:
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        if sys.platform == "linux":
            resource.setrlimit(resource.RLIMIT_AS, (memory, memory))
    for line in sys.stdin:
        sys.stdout.write(json.dumps(answer(json.loads(line))) + "\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main(int(sys.argv[1]))
