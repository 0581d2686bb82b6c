"""Questions about one of many documents: qa_1 (SQuAD) and qa_2 (HotpotQA) of RULER."""

from __future__ import annotations

import random
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import count
from typing import Any

from pytest_slm.errors import BackendError
from pytest_slm.generators import GeneratorContext
from pytest_slm.generators.ruler import templates
from pytest_slm.generators.ruler.counting import TextPieces
from pytest_slm.generators.ruler.drafts import Text
from pytest_slm.generators.ruler.options import RulerOptions

MISSES = 40
"""Documents that are tried for what is left of the room."""


@dataclass(frozen=True, kw_only=True)
class RulerQuestion:
    """What is asked, with the places of its own documents and of those that come first among the others."""

    id: str
    text: str
    answers: tuple[str, ...]
    own: tuple[int, ...]
    near: tuple[int, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Corpus:
    """All documents, each once, and the questions about them."""

    documents: Sequence[str]
    questions: Sequence[RulerQuestion]


def read(options: RulerOptions, context: GeneratorContext) -> Corpus:
    """The questions that have an answer. Raises NotAvailableError where the rows cannot be had, and BackendError
    (``data-broken``) for rows that are no such questions, that lack an id or have one twice."""
    rows = context.rows(options.data)
    find = _squad if options.dataset == "squad" else _hotpotqa
    try:
        corpus = find(rows)
    except (KeyError, TypeError, AttributeError, ValueError) as error:
        raise _broken(
            options, f"a row is no question of {options.dataset} ({type(error).__name__}: {error})"
        ) from error
    seen: set[str] = set()
    for question in corpus.questions:
        if not question.id or question.id in seen:
            raise _broken(options, f"the id {question.id!r:.80} is there twice" if question.id else "a row has no id")
        seen.add(question.id)
    if not corpus.questions:
        raise _broken(options, "no question in it has an answer")
    return corpus


def _broken(options: RulerOptions, why: str) -> BackendError:
    return BackendError(
        f"{options.rows}: {why}; get it again with `pytest-slm data pull`, or from another source", slug="data-broken"
    )


def _squad(rows: Sequence[Mapping[str, Any]]) -> Corpus:
    """SQuAD 2.0: the paragraphs are the documents, those of the same article come first."""
    documents = sorted({str(row["context"]) for row in rows})
    places = {document: place for place, document in enumerate(documents)}
    articles: dict[str, dict[int, None]] = {}
    for row in rows:
        articles.setdefault(str(row["title"]), {})[places[str(row["context"])]] = None
    questions = []
    for row in rows:
        answers = tuple(map(str, row["answers"]["text"]))
        own = places[str(row["context"])]
        if answers:
            near = tuple(place for place in articles[str(row["title"])] if place != own)
            told = str(row["id"] or "")
            questions.append(RulerQuestion(id=told, text=str(row["question"]), answers=answers, own=(own,), near=near))
    return Corpus(documents=documents, questions=questions)


def _hotpotqa(rows: Sequence[Mapping[str, Any]]) -> Corpus:
    """HotpotQA (distractor): the ten paragraphs of a question are its documents."""
    own = [
        [
            f"{title}\n{''.join(said)}"
            for title, said in zip(row["context"]["title"], row["context"]["sentences"], strict=True)
        ]
        for row in rows
    ]
    documents = sorted({document for some in own for document in some})
    places = {document: place for place, document in enumerate(documents)}
    questions = [
        RulerQuestion(
            id=str(row["id"] or ""),
            text=str(row["question"]),
            answers=(str(row["answer"]),),
            own=tuple(places[document] for document in dict.fromkeys(some)),
        )
        for row, some in zip(rows, own, strict=True)
    ]
    return Corpus(documents=documents, questions=questions)


class DocumentQuestion:
    """One sample; a size is the documents beside its own, by their places."""

    least: tuple[int, ...] = ()

    def __init__(self, corpus: Corpus, question: RulerQuestion, seed: str) -> None:
        self._corpus, self._question, self._seed = corpus, question, seed
        self.target: Sequence[str] = question.answers
        self.cluster: str | None = f"document {question.own[0]}"

    def _others(self) -> Iterator[int]:
        """The documents that may come beside its own, in a random order, those of the same article first."""
        rng = random.Random(self._seed)
        near = list(self._question.near)
        known = {*near, *self._question.own}
        far = [place for place in range(len(self._corpus.documents)) if place not in known]
        rng.shuffle(near)
        rng.shuffle(far)
        return iter([*near, *far])

    def fitted(self, room: int, pieces: TextPieces) -> tuple[int, ...]:
        """The others one after the other, without those that are too long for what is left."""
        chosen: list[int] = []
        first = len(self._question.own) + 1
        labels = (f" {number}:" for number in count(first))
        label, others = next(labels), list(self._others())
        # So many are about as long as the room: one round trip.
        pieces.know(map(self._piece, others[: room // 100 + 8]))
        misses = 0
        for place in others:
            tokens = pieces[label] + pieces[self._piece(place)]
            if tokens <= room:
                room -= tokens
                chosen.append(place)
                label = next(labels)
            elif (misses := misses + 1) == MISSES:
                break
        return tuple(chosen)

    def _piece(self, place: int) -> str:
        """A document with what stands at both of its ends: what it ends with may be one token with what follows."""
        return f"\n{self._corpus.documents[place]}\n\nDocument"

    def text(self, size: tuple[int, ...]) -> Text:
        """The prompt with these documents, its own among them."""
        shown = [self._corpus.documents[place] for place in (*self._question.own, *size)]
        random.Random(f"{self._seed} order").shuffle(shown)
        context = "\n\n".join(
            templates.DOCUMENT.format(i=number, document=document) for number, document in enumerate(shown, start=1)
        )
        question = templates.QA.question.format(context=context, query=self._question.text)
        metadata = {"question": self._question.id, "documents": len(shown)}
        return Text(question=question, answer_prefix=templates.QA.answer_prefix, metadata=metadata)
