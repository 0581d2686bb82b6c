"""The pages of the home: the first one with the chooser, and as many more as the table needs without a script."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from pytest_slm.site.facts.wide import Wide
from pytest_slm.site.home.data import files_script, scale_script
from pytest_slm.site.home.scores import Scale
from pytest_slm.site.home.view import PAGE, file_table, home_view, near, shown_columns
from pytest_slm.site.render import linked_page


def home_pages(wide: Wide, found: Sequence[Scale]) -> Mapping[str, str]:
    """The text of every file of the home by its path in the site; ``found`` are the scales, that of the profile
    first."""
    files = found[0].ordered(wide.files)
    starts = range(0, max(1, len(files)), PAGE)
    paths = ["index.html", *(f"files/{number}.html" for number in range(2, len(starts) + 1))]
    home = home_view(wide, files, found, paths)
    pages = {"index.html": linked_page("home.html", root="", script="home.js" if files else "", view=home)}
    columns = shown_columns(files)
    for number, (path, start) in enumerate(zip(paths, starts, strict=True), start=1):
        if number > 1:
            title = f"Files, page {number} of {len(paths)}"
            table = file_table(title, found[0], files[start : start + PAGE], "../", columns)
            others: dict[str, Any] = {"pages": near(paths, number), "count": len(paths), "number": number}
            pages[path] = linked_page("files.html", root="../", table=table, updated=home.updated, **others)
    if files:
        compared = [model.listed for model in wide.models if model.listed is not None]
        pairs = {(model, name) for model, _, names in compared for _, name in names}
        pages["data/files.js"] = files_script(files, found, pairs)
        pages |= {f"data/scores-{n}.js": scale_script(files, scale, n) for n, scale in enumerate(found) if n}
    return pages
