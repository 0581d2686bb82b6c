"""2,000 names and texts that try to be more than that, in every place that a file or a person can name: none of them is
anything but text, in what is written and in a browser. A night does all of them, the gate a few."""

from __future__ import annotations

import random
from dataclasses import replace
from html.parser import HTMLParser
from urllib.parse import urlsplit

import pytest

from pytest_slm.core.types import SuiteFacts
from pytest_slm.models.naming import as_file_name, as_name
from pytest_slm.registry import build_registry, write_registry, write_text
from pytest_slm.site.build import build_site
from pytest_slm.site.report import run_pages
from pytest_slm.site.tools.prices import price_table

OUT = (
    '">',
    "'>",
    "</title>",
    "</script>",
    "</style>",
    "--><!--",
    "]]>",
    "</textarea>",
    "\\u003c/script\\u003e",
    "`",
    '\\"',
)
ACTS = (
    "<script>{}</script>",
    "<ScRiPt\t>{}</ScRiPt\n>",
    "<img src=x onerror={}>",
    '<svg onload="{}">',
    "<svg><animate onbegin={} attributeName=x dur=1s>",
    "<details open ontoggle={}>",
    "<input autofocus onfocus={}>",
    "<a href=javascript:{}>here</a>",
    "<a href='java\tscript:{}'>here</a>",
    "<iframe srcdoc='<script>{}</script>'>",
    "<object data=javascript:{}>",
    "<base href=https://evil.example/>",
    "<meta http-equiv=refresh content='0;url=javascript:{}'>",
    "<form action=javascript:{}><button>x",
    "<math><a xlink:href=javascript:{}>x",
    "<style>@import'https://evil.example/x.css';*{{background:url(//evil.example)}}</style>",
    "<link rel=stylesheet href=//evil.example/x.css>",
    "{{{{ cycler.__init__.__globals__ }}}}{}",
    "{{% for x in [].__class__.__base__.__subclasses__() %}}{}{{% endfor %}}",
    "${{{}}}",
    "' onmouseover={} x='",
    '" style="position:fixed;inset:0" onclick="{}" x="',
    "&lt;script&gt;{}&lt;/script&gt;",
    "&#60;img src=x onerror={}&#62;",
    "+ADw-script+AD4-{}+ADw-/script+AD4-",
    "%3Cscript%3E{}%3C/script%3E",
    "javascript:{}",
    "data:text/html,<script>{}</script>",
    "../../../{}",
    "..\\..\\{}",
    "//evil.example/{}",
)
ICON = "link href=data:image/svg+xml,%3Csvg%20xmlns%3D"
"""The icon inside a page that has to stand alone."""
DEEDS = ("document.title='pwned'", "document.title=`pwned`", "document.title=/pwned/.source", "fetch('//evil.example')")
ODD = ("", "\u2028", "\u202e", "\x00", "\ud83d", "\ufeff", "\x1b[31m", "\u200b", "\r\n", "\x7f", "é" * 90, "𝕏", "مرحبا")


def texts(count: int, seed: int) -> list[str]:
    """So many different hostile texts, the same each time."""
    rng, found = random.Random(seed), {}
    while len(found) < count:
        act = rng.choice(ACTS).format(rng.choice(DEEDS))
        text = rng.choice(ODD) + rng.choice(("", *OUT)) + act + rng.choice(("", *OUT)) + rng.choice(ODD)
        found[text[: rng.choice((40, 80, 160, 190, 5_000))]] = None
    return list(found)


def poisoned(factory, number: int, words: list[str]):
    """A run in which everything that can be named has one of these texts."""
    left = iter(words * 3)

    def name() -> str:
        return as_name(next(left))

    quantization = as_file_name(next(left))
    run = factory.make_run(f"Q{number}", modern=number % 2 == 0, with_trouble=True, suites=("core", "rag"))
    first, second, *rest = run.results
    suites = {"core": SuiteFacts(title=name(), use_case=name()), "rag": SuiteFacts(title=name(), use_case="rag")}
    first = replace(first, task=name(), variant=name(), provenance={"dataset": next(left), next(left): next(left)})
    second = replace(second, outcome="skipped", metrics=(), reason=next(left), samples=None)
    told = {"verdict": "noisy", "reason": next(left), "energy": next(left)}
    results = [
        replace(one, quantization=quantization, timing=one.timing and replace(one.timing, **told))
        for one in (first, second, *rest)
    ]
    return replace(
        run,
        run_id=as_file_name(next(left)),
        quantization=quantization,
        planned=tuple(one.id for one in results),
        results=tuple(results),
        suites={**run.suites, **suites},
        submission=replace(
            run.submission,
            slug=f"model-{number}",
            name=name(),
            hf_repo=None,
            revision="a/b",
            family=next(left),
            license=next(left),
            submitted_by=next(left),
            tags=(next(left), next(left)),
            categories=(next(left),),
            origin=next(left),
            architecture=next(left),
        ),
        backend=replace(
            run.backend, name=next(left), weights_sha256=f"{number:064x}", extra={next(left): [next(left)]}
        ),
        machine={**run.machine, "cpu": next(left), "fingerprint": name(), next(left): next(left)},
        versions={next(left): next(left)},
    )


class Read(HTMLParser):
    """What a page has that it may not have."""

    def __init__(self) -> None:
        super().__init__()
        self.wrong: list[str] = []
        self.scripts = 0

    def handle_starttag(self, tag, attrs):
        self.scripts += tag == "script"
        if tag in ("img", "iframe", "object", "embed", "base", "math", "textarea", "animate"):
            self.wrong.append(tag)
        for name, value in attrs:
            if name.startswith("on") or name in ("style", "srcdoc", "xlink:href", "formaction", "action"):
                self.wrong.append(f"{tag} {name}")
            scheme = urlsplit(value or "").scheme if name in ("href", "src", "action") else ""
            if scheme and not (value or "").startswith("https://huggingface.co/"):
                self.wrong.append(f"{tag} {name}={value}")
            if tag == "meta" and name == "http-equiv" and value != "Content-Security-Policy":
                self.wrong.append(f"meta {value}")


def written(folder, factory, found: list[str]):
    """A site of models that share these texts, and the pages of the first run with its samples."""
    runs = [poisoned(factory, n, found[at : at + 40]) for n, at in enumerate(range(0, len(found), 40))]
    registry = build_registry([factory.with_questions(run, f"{n}/report.json") for n, run in enumerate(runs)])
    write_registry(folder / "registry", registry)
    build_site(folder / "registry", folder / "site")
    for n, run in enumerate(runs):
        texts = found[40 * n : 40 * n + 40]
        lines = [
            {
                "task": text,
                "doc_id": text,
                "response": text,
                "answer": text,
                "expected": text,
                "prompt": text,
                text: text,
            }
            for text in texts[:: max(1, len(texts) // 8)]
        ]
        samples = {one.samples: lines for one in run.results[:3] if one.samples}
        for name, text in run_pages(run, samples):
            write_text(folder / "site" / "reports" / str(n) / name, text)
    pages = sorted((folder / "site").rglob("*.html"))
    assert len(pages) > 60
    return pages


def is_text(pages) -> None:
    for path in pages:
        read = Read()
        read.feed(path.read_text("utf-8"))
        allowed = {"textarea"} if path.parent.name == "tools" else set()
        if path.name == "cost.html":
            allowed |= {f"a href={place}" for one in price_table() for place in (one.source, one.list)}
        assert {one for one in read.wrong if not one.startswith(ICON)} <= allowed, path
        own = path.name in ("index.html", "compare.html") or path.name == "samples.html" or path.parent.name == "tools"
        scripts = 3 if own else 1 if "models" in path.parts else 0
        assert read.scripts <= scripts, path


def test_a_few_hostile_texts_are_text_wherever_they_stand(tmp_path, factory):
    is_text(written(tmp_path, factory, texts(40, seed=1)))


@pytest.mark.nightly
def test_two_thousand_hostile_texts_run_nowhere(tmp_path, factory, show):
    pages = written(tmp_path, factory, texts(2_000, seed=2))
    is_text(pages)
    with show(pages[0], width=390) as seen:
        for path in pages:
            seen.page.goto(path.as_uri(), timeout=600_000)  # a night on a machine that others use, too
            seen.page.evaluate("document.querySelectorAll('details').forEach((one) => { one.open = true; })")
            assert seen.page.title() != "pwned", path
            # A policy that has to step in says so on the console.
            assert seen.messages == [], path
        assert all(url.startswith("file://") for url in seen.requests)
