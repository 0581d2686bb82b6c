"""The pages of the home: the first one with the chooser, and as many more as the table needs without a script."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from pytest_slm.registry.entry import Registry
from pytest_slm.registry.rows import Row
from pytest_slm.site.home.data import files_script, scale_script
from pytest_slm.site.home.scores import Scale
from pytest_slm.site.home.view import PAGE, file_table, home_view, model_address, shown_columns
from pytest_slm.site.render import linked_page


def home_pages(
    registry: Registry, rows: Sequence[Row], found: Sequence[Scale], compared: Iterable[list[Any] | None]
) -> Mapping[str, str]:
    """The text of every file of the home by its path in the site; ``compared``: what ``listed`` says of each model."""
    rows = found[0].ordered(rows)
    starts = range(0, max(1, len(rows)), PAGE)
    paths = ["index.html", *(f"files/{number}.html" for number in range(2, len(starts) + 1))]
    home = home_view(registry, rows, found, paths)
    pages = {"index.html": linked_page("home.html", root="", script="home.js" if rows else "", view=home)}
    columns = shown_columns(rows)
    for number, (path, start) in enumerate(zip(paths, starts, strict=True), start=1):
        if number > 1:
            title = f"Files, page {number} of {len(paths)}"
            table = file_table(title, found[0], rows[start : start + PAGE], model_address("../"), columns)
            pages[path] = linked_page(
                "files.html", root="../", table=table, pages=paths, number=number, updated=home.updated
            )
    if rows:
        pairs = {(one[0], name) for one in compared if one is not None for _, name in one[2]}
        pages["data/files.js"] = files_script(rows, found, pairs)
        pages |= {f"data/scores-{n}.js": scale_script(rows, scale, n) for n, scale in enumerate(found) if n}
    return pages
