"""Finished pages: a policy in each, and nothing that leads nowhere or asks anybody else."""

from __future__ import annotations

import base64
import hashlib
import re
from collections.abc import Collection, Iterator, Mapping
from html.parser import HTMLParser
from importlib import resources
from pathlib import Path
from urllib.parse import unquote

from pytest_slm.files import read_text
from pytest_slm.site.render import environment

LOADED = {"script": "src", "img": "src", "iframe": "src", "source": "src", "video": "src", "audio": "src"}
"""Tags that load what they name; ``link`` does for some of its ``rel``."""


OWN = ("worker.js", "worker-frame.js", "header.css")
"""Files of ours that each site gets."""
FOREIGN = re.compile(r'<script src="?https://unpkg\.com/iframe-worker/shim"?[^>]*></script>')
"""What the generator would ask somebody else for, so that the search works in a folder."""


class _Reader(HTMLParser):
    """Names, links, what is loaded, and the scripts that stand in the page."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.ids: set[str] = set()
        self.links: list[str] = []
        self.loaded: list[str] = []
        self.scripts: list[str] = []
        self._inside = False

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = {name: value or "" for name, value in attrs}
        if given.get("id"):
            self.ids.add(given["id"])
        if tag == "a" and "href" in given:
            self.links.append(given["href"])
        if tag in LOADED and given.get(LOADED[tag]):
            self.loaded.append(given[LOADED[tag]])
        if tag == "link" and given.get("rel") not in ("canonical", "prev", "next", "edit", "alternate"):
            self.loaded.append(given.get("href", ""))
        self._inside = tag == "script" and "src" not in given and given.get("type", "") in ("", "module")

    def handle_data(self, data: str) -> None:
        if self._inside:
            self.scripts.append(data)

    def handle_endtag(self, tag: str) -> None:
        self._inside = False


def read_page(text: str) -> _Reader:
    """What is on a finished page."""
    reader = _Reader()
    reader.feed(text)
    reader.close()
    return reader


EDIT = re.compile(r"""<a [^>]*href="?[^"> ]*/edit/[^>]*>.*?</a>""", re.DOTALL)


def finish(folder: Path, site: str = "../", generated: Collection[str] = ()) -> Mapping[str, int]:
    """Give each page the header of the registry's site, which is at ``site`` seen from the first page, and the policy
    that only its own scripts run, and nothing is fetched from elsewhere; returns the bytes of each by its path. Of
    ``generated`` pages nobody can edit the source."""
    sizes = {}
    for name in OWN:
        target = folder / "assets" / name
        target.parent.mkdir(exist_ok=True)
        target.write_text(_static(name), "utf-8")
    if not re.match(r"https?:", site):
        # Below another site a host shows that one's, and this one's links begin at the host's top.
        (folder / "404.html").unlink(missing_ok=True)
    for path in sorted(folder.rglob("*.html")):
        text = re.sub(r"<meta name=\"?generator\"? content=[^>]*>", "", read_text(path))
        up = "../" * (len(path.relative_to(folder).parts) - 1)
        text = FOREIGN.sub(f'<script src="{up}assets/{OWN[0]}"></script>', text)
        # The script of that part would ask the host of the source for stars and releases.
        text = text.replace(' data-md-component="source"', "")
        text = _named(_with_header(text, up, site))
        if path.relative_to(folder).with_suffix(".md").as_posix() in generated:
            text = EDIT.sub("", text)
        hashes = sorted({_hash(script) for script in read_page(text).scripts})
        policy = (
            f"default-src 'self'; script-src 'self' {' '.join(hashes)}; style-src 'self' 'unsafe-inline'; "
            "img-src 'self' data:; worker-src 'self' blob:; base-uri 'self'; form-action 'none'"
        )
        meta = f'<meta http-equiv="Content-Security-Policy" content="{policy}">'
        text = re.sub(r"(<meta charset=[^>]*>)", lambda found: found.group(1) + meta, text, count=1)  # noqa: B023
        path.write_text(text, "utf-8")
        sizes[path.relative_to(folder).as_posix()] = len(text.encode())
    return sizes


def _static(name: str) -> str:
    return resources.files(__package__).joinpath("static", name).read_text("utf-8")


def _with_header(text: str, up: str, site: str) -> str:
    """One header for both sites, above the generator's own."""
    where = site if re.match(r"https?:", site) else f"{up}{site}"
    header = environment().get_template("guides.html").render(root=where, guides=up)
    text = text.replace("</head>", f'<link rel="stylesheet" href="{up}assets/header.css"></head>', 1)
    return text.replace('<header class="md-header', f'{header}<header class="md-header', 1)


def _named(text: str) -> str:
    """Navigations that can be told apart by who hears them: the generator gives two one name, and some none."""

    def label(found: re.Match[str]) -> str:
        name = found.group(1)
        number = name.removeprefix("__nav_").removesuffix("_label").replace("_", ".")
        said = re.search(rf'id="{name}"[^>]*>(.*?)</label>', text, re.DOTALL)
        has_words = said is not None and re.sub(r"<[^>]*>", "", said.group(1)).strip()
        return found.group() if has_words else f'aria-label="Section {number}"'

    text = text.replace('<nav class="md-path" aria-label="Navigation"', '<nav class="md-path" aria-label="Breadcrumbs"')
    return re.sub(r'aria-labelledby="(__nav_[0-9_]+_label)"', label, text)


def _hash(text: str) -> str:
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"


def faults(folder: Path) -> list[str]:
    """Links to nowhere, and what would be asked of somebody else."""
    pages = {path.relative_to(folder).as_posix(): read_page(read_text(path)) for path in folder.rglob("*.html")}
    return sorted(
        {f"{name}: {problem}" for name, page in pages.items() for problem in _faults(folder, name, page, pages)}
    )


def _faults(folder: Path, name: str, page: _Reader, pages: Mapping[str, _Reader]) -> Iterator[str]:
    for address in page.loaded:
        if re.match(r"https?:|//", address):
            yield f"loads {address:.120}"
    for link in page.links:
        if re.match(r"[a-z][a-z0-9+.-]*:|//", link) or name == "404.html":
            continue
        place, _, anchor = link.partition("#")
        target = (folder / name).parent / unquote(place.partition("?")[0]) if place else folder / name
        target = Path(*_flat(target.parts))
        if target.is_dir():
            target = target / "index.html"
        if not target.is_relative_to(folder):
            continue  # the registry's site, beside this one
        other = pages.get(target.relative_to(folder).as_posix())
        if not target.is_file():
            yield f"leads to {link:.120}, which is not there"
        elif other is not None and anchor and unquote(anchor) not in other.ids and anchor != "__skip":
            yield f"leads to {link:.120}, and that page has no such place"


def _flat(parts: tuple[str, ...]) -> list[str]:
    found: list[str] = []
    for part in parts:
        if part == "..":
            found.pop()
        else:
            found.append(part)
    return found
