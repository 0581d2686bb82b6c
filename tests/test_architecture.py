"""Who may import whom (docs/architecture.md), and other things that hold for every file."""

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / "pytest_slm"
STDLIB_PLUS_NUMPY = {"numpy"}

ENGINES = {"torch", "transformers", "llama_cpp", "lm_eval", "datasets"}

# room: (our rooms it may import, other packages it may not)
RULES = {
    "errors": (set(), ENGINES | {"pytest", "numpy", "jinja2", "yaml", "psutil"}),
    "core": (set(), ENGINES | {"pytest", "jinja2", "yaml", "psutil"}),
    "scorers": ({"core", "errors"}, ENGINES | {"pytest", "jinja2", "yaml", "psutil", "numpy"}),
    "machine": ({"core", "errors"}, ENGINES | {"pytest", "jinja2", "yaml"}),
    "load": ({"core", "errors"}, ENGINES | {"pytest", "jinja2", "psutil"}),
    "models": ({"core", "errors", "load"}, ENGINES | {"pytest", "jinja2", "yaml"}),
    "backends": ({"core", "errors", "machine"}, ENGINES | {"pytest", "yaml"}),
    "sandbox": ({"core", "errors"}, ENGINES | {"pytest", "jinja2", "yaml", "numpy", "psutil"}),
    "runners": (
        {"core", "errors", "scorers", "machine", "models", "backends", "sandbox"},
        {"pytest", "yaml", "llama_cpp", "torch"},
    ),
    # which devices a model fits on is told by the table of devices
    "registry": ({"core", "errors", "load", "machine"}, ENGINES | {"pytest", "jinja2", "yaml"}),
    # the fingerprint's recipe tells in what two machines differ
    "comparing": ({"core", "errors", "machine", "registry"}, ENGINES | {"pytest", "jinja2", "yaml"}),
    # titles of devices stand in the table of devices
    "site": ({"core", "errors", "registry", "load", "machine"}, ENGINES | {"pytest", "yaml"}),
    "assembly": ({"core", "errors", "machine", "models", "registry", "session", "site"}, ENGINES | {"pytest", "yaml"}),
    # which rows a task reads stands in lm-eval's files
    "data": ({"core", "errors", "load", "builtin", "runners"}, (ENGINES - {"lm_eval"}) | {"pytest", "yaml", "jinja2"}),
    "builtin": ({"errors"}, ENGINES | {"pytest", "yaml", "jinja2", "numpy"}),
    "answers": ({"core", "errors", "backends"}, ENGINES | {"pytest", "jinja2", "yaml"}),
    "planning": (
        {"core", "errors", "answers", "backends", "machine", "models", "runners", "session"},
        ENGINES | {"pytest", "jinja2", "yaml"},
    ),
    "session": (
        {"core", "errors", "answers", "backends", "models", "runners", "scorers"},
        ENGINES | {"pytest", "jinja2", "yaml"},
    ),
}
OWN_ENGINE = {"backends/llamacpp": {"llama_cpp"}, "backends/hf": {"torch", "transformers"}}
"""Folders that may import an engine which their room may not."""

GUEST = PACKAGE / "sandbox" / "guest"

TOP = ENGINES | {"jinja2", "yaml"}
"""What the pytest side (plugin, options, items, reporter, ...) may not import."""


def files():
    return sorted(PACKAGE.rglob("*.py"))


def room(path: Path) -> str:
    return path.relative_to(PACKAGE).parts[0].removesuffix(".py")


def imports(path: Path):
    """(line, module) of every import in a file, wherever it stands; those for type checkers only are left out."""
    tree = ast.parse(path.read_text("utf-8"))
    guarded = {
        inner
        for node in ast.walk(tree)
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.dump(node.test)
        for inner in ast.walk(node)
    }
    for node in ast.walk(tree):
        if node in guarded:
            continue
        if isinstance(node, ast.Import):
            yield from ((node.lineno, alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}:{node.lineno}: relative import"
            yield from ((node.lineno, f"{node.module}.{alias.name}") for alias in node.names)


@pytest.mark.parametrize("path", files(), ids=lambda path: str(path.relative_to(PACKAGE)))
def test_rooms_import_only_what_they_may(path):
    mine = room(path)
    allowed, forbidden = RULES.get(mine, (None, TOP))
    forbidden = forbidden - OWN_ENGINE.get(path.parent.relative_to(PACKAGE).as_posix(), set())
    for line, name in imports(path):
        top, _, rest = name.partition(".")
        if top == "pytest_slm":
            other = rest.partition(".")[0]
            assert allowed is None or other in allowed | {mine, "__version__"}, f"{path}:{line}: {mine} imports {other}"
        assert top not in forbidden, f"{path}:{line}: {mine} imports {top}"
        assert top != "_pytest", f"{path}:{line}: pytest's private modules"


def test_runners_know_backends_by_their_protocol_only():
    # performance asks for memory, which only the remote backend has
    known = {"pytest_slm.backends.protocol", "pytest_slm.backends.remote"}
    for path in (PACKAGE / "runners").rglob("*.py"):
        for line, name in imports(path):
            if name.startswith("pytest_slm.backends"):
                assert name.rpartition(".")[0] in known, f"{path}:{line}: {name}"


def test_nothing_imports_what_runs_in_the_sandbox():
    for path in (path for path in files() if path.parent != GUEST):
        assert not [name for _, name in imports(path) if name.startswith("pytest_slm.sandbox.guest")], path


def test_only_load_reads_yaml():
    readers = {room(path) for path in files() for _, name in imports(path) if name.partition(".")[0] == "yaml"}
    assert readers == {"load"}


def test_only_options_reads_options():
    for path in files():
        if path.name not in ("options.py", "distribution.py", "reporter.py"):
            assert "getoption(" not in path.read_text(), path


def test_the_core_needs_the_standard_library_and_numpy_at_use():
    import sys

    for path in (PACKAGE / "core").rglob("*.py"):
        for line, name in imports(path):
            top = name.partition(".")[0]
            fine = top in sys.stdlib_module_names or top in {"pytest_slm", "numpy"}
            assert fine, f"{path}:{line}: {name}"
        tree = ast.parse(path.read_text())
        at_import = [node for node in tree.body if isinstance(node, ast.Import | ast.ImportFrom)]
        assert "numpy" not in ast.dump(ast.Module(body=at_import, type_ignores=[]))


@pytest.mark.parametrize("path", files(), ids=lambda path: str(path.relative_to(PACKAGE)))
def test_nothing_dangerous(path):
    tree = ast.parse(path.read_text("utf-8"))
    for node in ast.walk(tree):
        if isinstance(node, ast.Call):
            name = ast.unparse(node.func)
            inside = path.parent == GUEST and name == "exec"  # started by the interpreter in the sandbox only
            assert inside or name not in {"eval", "exec", "pickle.loads", "pickle.load", "yaml.load", "os.system"}, (
                node.lineno
            )
            assert not any(keyword.arg == "shell" for keyword in node.keywords), node.lineno
            trusts = [keyword for keyword in node.keywords if keyword.arg == "trust_remote_code"]
            assert all(ast.unparse(keyword.value) == "False" for keyword in trusts), node.lineno


@pytest.mark.parametrize("path", files(), ids=lambda path: str(path.relative_to(PACKAGE)))
def test_provenance_is_for_people(path):
    # what a program decides by has a field of its own, which a typing mistake cannot miss
    def provenance(node):
        return getattr(node, "attr", getattr(node, "id", "")) == "provenance"

    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        read = (
            (isinstance(node, ast.Subscript) and isinstance(node.ctx, ast.Load) and provenance(node.value))
            or (isinstance(node, ast.Attribute) and node.attr in ("get", "pop", "items") and provenance(node.value))
            or (isinstance(node, ast.Compare) and any(map(provenance, node.comparators)))
        )
        assert not read, f"{path}:{node.lineno}: a key of provenance is read"


WALL_CLOCK = {"time.time", "time.time_ns", "datetime.now", "datetime.utcnow", "time.clock_gettime"}


def test_durations_are_of_a_clock_that_does_not_go_backwards():
    measuring = [path for path in files() if room(path) in ("backends", "runners", "machine", "core", "timing")]
    assert len(measuring) > 50
    for path in measuring:
        calls = [node for node in ast.walk(ast.parse(path.read_text("utf-8"))) if isinstance(node, ast.Call)]
        assert not [call.lineno for call in calls if ast.unparse(call.func) in WALL_CLOCK], path


@pytest.mark.parametrize("path", files(), ids=lambda path: str(path.relative_to(PACKAGE)))
def test_files_are_short_and_public_things_are_explained(path):
    text = path.read_text("utf-8")
    assert len(text.splitlines()) <= 330, "which idea could have a room of its own?"
    tree = ast.parse(text)
    assert ast.get_docstring(tree), f"{path} does not say what it is for"
    for node in tree.body:
        if isinstance(node, ast.ClassDef | ast.FunctionDef) and not node.name.startswith("_"):
            hook = node.name.startswith("pytest_")
            assert hook or ast.get_docstring(node), f"{path}:{node.lineno}: {node.name} has no docstring"


def test_rooms_are_small():
    for folder in (folder for folder in PACKAGE.rglob("*") if folder.is_dir() and folder.name != "__pycache__"):
        python = [path for path in folder.glob("*.py") if path.name != "__init__.py"]
        assert len(python) <= 13, f"{folder}: {len(python)} files"


# Slugs that are put together, or written where no error is raised.
BUILT = {
    *("timing-alone", "backend-bug", "registry-invalid", "report-invalid", "suite-unknown-key", "suite-bad-value"),
    "data-partial",
}


def slugs(path):
    """What errors are given as ``slug=``, as third argument (load.document), or as the class's own."""
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        said = []
        if isinstance(node, ast.Call) and ast.unparse(node.func).endswith("Error"):
            said = [*node.args[2:3], *(keyword.value for keyword in node.keywords if keyword.arg == "slug")]
        elif isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "slug":
            said = [node.value]
        yield from (value.value for value in said if isinstance(value, ast.Constant))


def test_every_slug_is_in_the_docs():
    documented = re.findall(r"^\| `([a-z0-9-]+)` \|", (ROOT / "docs/errors.md").read_text(), re.MULTILINE)
    used = {slug for path in files() for slug in slugs(path)} | BUILT
    assert sorted(documented) == sorted(used)


def test_every_option_is_in_the_docs():
    text = (ROOT / "docs/options.md").read_text()
    options = set(re.findall(r'"(--slm-[a-z-]+)"', (PACKAGE / "options.py").read_text()))
    assert options
    missing = {option for option in options if f"`{option}" not in text}
    assert not missing


def test_suites_and_docs_name_no_foreign_place():
    for path in [*ROOT.glob("docs/**/*.md"), ROOT / "README.md", *files(), *ROOT.glob("suites/**/*.yaml")]:
        assert not re.search(r"(\.\./shared|/work/|/root/|/tmp/)", path.read_text("utf-8")), path
