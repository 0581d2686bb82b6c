"""The pages of tools by their paths: each is a page and one script, with all that it computes with."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pytest_slm.site import numbers
from pytest_slm.site.render import linked_page, static
from pytest_slm.site.tools.data import KINDS, common, measured, script
from pytest_slm.site.tools.prices import price_table


@dataclass(frozen=True, kw_only=True)
class Tool:
    """One page. ``needed`` are the scripts that it needs beside the common ones, ``data`` what it is told of:
    ``memory`` and ``speeds`` are measured files."""

    name: str
    title: str
    says: str
    needed: tuple[str, ...] = ()
    data: tuple[str, ...] = ()


TOOLS = (
    Tool(
        name="memory", title="Memory calculator", says="Weights, KV cache and buffers at the context that you need.",
        needed=("gguf",), data=("memory",),
    ),
    Tool(
        name="hardware", title="Hardware picker", says="Which device holds a file with a context.",
        needed=("gguf",), data=("memory", "devices"),
    ),
    Tool(
        name="cost", title="Cost calculator",
        says="Own hardware, a rented GPU or an API, with prices that have a source, or yours.",
        data=("speeds", "prices"),
    ),
    Tool(
        name="command", title="Benchmark command", says="The command that measures your model.", data=("suites",),
    ),
    Tool(name="tokenizer", title="Tokenizer", says="How a model cuts your text.", needed=("gguf", "bpe")),
    Tool(name="report", title="Report viewer", says="A report.json of a run, shown here."),
)  # fmt: skip
COMMON = ("footprint", "page")
WITHIN = 0.10
"""How near the memory calculator is to every peak that was measured, which a test ensures."""
WAYS = ("smollm", "gpt-2", "llama-bpe", "qwen2")
"""What ``bpe.js`` knows."""


def tools_pages(rows: Iterable[Sequence[Any]], guides: str = "") -> Mapping[str, str]:
    """Every file of the tools by its path in the site; ``rows`` are those of ``tool_row``, ``guides`` is where those
    are, seen from the first page."""
    rows = list(rows)
    files = {kind: measured(kind, rows) for kind in KINDS}
    known = {**common(), **{name: one.listed for name, one in files.items()}}
    pages = {f"tools/{name}": text for one in files.values() for name, text in one.parts.items()}
    for tool in TOOLS:
        # One script a page: what it is told of, and what it does.
        data = {("files" if name in files else name): known[name] for name in tool.data}
        scripts = [static(f"tools/{one}.js") for one in (*COMMON, *tool.needed, tool.name)]
        pages[f"tools/{tool.name}.js"] = "".join((script("const slmTools", data), *scripts))
        pages[f"tools/{tool.name}.html"] = linked_page(
            f"tools/{tool.name}.html", root="../", script=f"{tool.name}.js", styled="tools/tools.css", ways=WAYS,
            prices=price_table(), within=numbers.percent(WITHIN),
        )  # fmt: skip
    listed = [(f"{tool.name}.html", tool.title, tool.says) for tool in TOOLS]
    pages["tools/index.html"] = linked_page(
        "tools/index.html", root="../", tools=listed, guides=_seen_from_below(guides)
    )
    return pages


def _seen_from_below(guides: str) -> str:
    return guides if not guides or re.match(r"https?://", guides) else f"../{guides}"
