"""Who may import whom (the table in docs/architecture.md), and other things that hold for every file.

One test per rule, which names all that break it.
"""

import ast
import re
import sys
from functools import cache
from pathlib import Path

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / "pytest_slm"
GUEST = PACKAGE / "sandbox" / "guest"
FILES = sorted(PACKAGE.rglob("*.py"))


@cache
def where(path: Path) -> str:
    return path.relative_to(PACKAGE).with_suffix("").as_posix().removesuffix("/__init__")


def room(path: Path) -> str:
    return where(path).partition("/")[0]


@cache
def tree(path: Path) -> ast.Module:
    return ast.parse(path.read_text("utf-8"))


@cache
def nodes(path: Path) -> list[ast.AST]:
    return list(ast.walk(tree(path)))


def calls(path: Path) -> list[ast.Call]:
    return [node for node in nodes(path) if isinstance(node, ast.Call)]


@cache
def imports(path: Path) -> list[tuple[int, str]]:
    """(line, module) of every import in a file, wherever it stands; those for type checkers only are left out."""
    guarded = {
        inner
        for node in nodes(path)
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.dump(node.test)
        for inner in ast.walk(node)
    }
    found = []
    for node in nodes(path):
        if isinstance(node, ast.Import) and node not in guarded:
            found += [(node.lineno, alias.name) for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node not in guarded:
            found += [(node.lineno, f"{'.' * node.level}{node.module}.{alias.name}") for alias in node.names]
    return found


# -- who may import whom ----------------------------------------------------------------------------------------------


def table() -> dict[str, tuple[set[str], set[str]]]:
    """Of docs/architecture.md: by room, what it may import of ours and of others."""
    text = (
        (ROOT / "docs/architecture.md").read_text("utf-8").partition("## Who may import whom")[2].partition("\n## ")[0]
    )
    rows = re.findall(r"^\| ([a-z_/]+) \|(.*)\|(.*)\|$", text, re.MULTILINE)
    cells = {name: [set(re.findall(r"[\w/]+", re.sub(r"\(.*?\)", "", cell))) for cell in row] for name, *row in rows}
    assert len(cells) == len(rows), "a room has two rows"
    return {name: (ours, others) for name, (ours, others) in cells.items() if name != "room"}


def test_every_room_has_its_row_in_the_table():
    rooms = {room(path) for path in FILES} - {"__init__"}
    folders = {name for name in table() if "/" in name}
    assert set(table()) - folders == rooms
    assert [name for name in folders if not (PACKAGE / name).is_dir()] == []
    named = {name for ours, _ in table().values() for name in ours}
    known = rooms | {where(path) for path in FILES}
    assert named - known == set(), "named in the table, but not there"


def test_rooms_import_only_what_they_may():
    rules, wrong = table(), []
    for path in [path for path in FILES if where(path) != "__init__"]:  # the package's face shows what the API is
        rows = [rules[name] for name in rules if where(path) == name or where(path).startswith(f"{name}/")]
        ours = {"__init__", room(path)}.union(*(row[0] for row in rows))
        others = sys.stdlib_module_names.union(*(row[1] for row in rows))
        for line, name in imports(path):
            top, *rest = [*name.split("."), "__init__"]
            if top == "pytest_slm":
                inner = rest[0] if (PACKAGE / rest[0]).is_dir() or (PACKAGE / f"{rest[0]}.py").exists() else "__init__"
                fine = bool(ours & {inner, "/".join(rest[:2])})
            else:
                fine = top in others
            if not fine:
                wrong.append(f"{where(path)}:{line}: {name}")
    assert wrong == []


def test_nothing_is_in_the_table_that_nobody_imports():
    used = {(room(path), name) for path in FILES for _, name in imports(path)}
    tops = {(mine, name.split(".")[1 if name.startswith("pytest_slm.") else 0]) for mine, name in used}
    stale = [
        (name, other)
        for name, row in table().items()
        for other in row[0] | row[1]
        if (name.partition("/")[0], other.partition("/")[0]) not in tops
    ]
    assert stale == []


def test_nothing_imports_what_runs_in_the_sandbox():
    wrong = [
        f"{where(path)}:{line}"
        for path in FILES
        if path.parent != GUEST
        for line, name in imports(path)
        if name.startswith("pytest_slm.sandbox.guest")
    ]
    assert GUEST.is_dir()
    assert wrong == []


def test_options_are_read_in_four_places():
    readers = {where(path) for path in FILES if "getoption(" in path.read_text("utf-8")}
    assert readers == {"plugin/options", "plugin/docs/options", "plugin/distribution", "plugin/reporter"}


# -- what no file does ------------------------------------------------------------------------------------------------


def test_provenance_is_for_people():
    # what a program decides by has a field of its own, which a typing mistake cannot miss
    def provenance(node):
        return getattr(node, "attr", getattr(node, "id", "")) == "provenance"

    wrong = [
        f"{where(path)}:{node.lineno}"
        for path in FILES
        for node in nodes(path)
        if (isinstance(node, ast.Subscript) and isinstance(node.ctx, ast.Load) and provenance(node.value))
        or (isinstance(node, ast.Attribute) and node.attr in ("get", "pop", "items") and provenance(node.value))
        or (isinstance(node, ast.Compare) and any(map(provenance, node.comparators)))
    ]
    assert wrong == []


def test_foreign_text_is_printed_in_few_places():
    # say() shows what would steer a terminal; the others write JSON to a pipe, or the repr of an error to a log
    printing = {where(path) for path in FILES for call in calls(path) if ast.unparse(call.func) == "print"}
    assert printing == {"cli/say", "hosts/host", "hosts/process", "backends/llamacpp/quantize", "prompts/guest"} | {
        "backends/llamacpp/binding/devices",
        "machine/memory",
    }
    # lines of pytest's terminal: what is not written here is shown, or was made of parts that are
    plain = re.compile(r"^f?['\"][^{]*['\"]$|shown\(|^line$|^text$|^''$|^f'aggregate ")
    wrong = [
        f"{where(path)}:{call.lineno}: {ast.unparse(call.args[0])}"
        for path in FILES
        for call in calls(path)
        if ast.unparse(call.func).endswith((".write_line", ".write_sep", ".rewrite"))
        and not plain.search(ast.unparse(call.args[-1]))
    ]
    assert wrong == []


READING_OTHERWISE = {
    "files": "the way in for all others",
    "machine/files": "what the kernel says of itself has no size",
    "machine/energy": "the same, and a counter that may not be read is another answer than none",
    "machine/hardware": "what pip wrote of a distribution",
    "machine/kills": "the kernel's log, which is asked not to wait",
    "machine/devices": "ships with the package",
    "registry/schema": "ships with the package",
    "handbook/pages/terms": "ships with the package",
    "site/tools/prices": "ships with the package",
    "site/render": "ships with the package",
    "sandbox/runner": "ships with the package",
    "models/packages": "what pip wrote of a distribution",
    "lm_eval/definitions": "14,000 files of an installed distribution",
    "lm_eval/screening": "modules that Python has imported",
    "docs_checks/code/story": "the log of a command of our own, in a folder of its own",
    "docs_site/pages": "ships with the package",
    "fleet/session": "its own standard input, under another number",
    "fleet/worker": "the log of a process of our own",
    "hosts/process": "the log of a process of our own, in a private folder",
    "sandbox/image": "only from folders that nobody else can write to; the interpreter has a known hash",
    "hosts/folders": "a lock in a folder of this user",
    "cli/main": "the null device, in place of a closed pipe",
    "plugin/signals": "the null device, in place of a terminal that was closed",
}


def reads(call):
    """Whether a call opens a file for reading: by ``open`` in its many forms, or a path's own methods."""
    name = ast.unparse(call.func)
    said = " ".join(map(ast.unparse, (*call.args, *(keyword.value for keyword in call.keywords))))
    if name == "os.open":
        return "O_WRONLY" not in said or "devnull" in said
    mode = re.search(r"'([rwxabt+]{1,3})'", said)
    if name in ("open", "io.open", "os.fdopen") or (name.endswith(".open") and mode):
        return not mode or not set("wxa") & set(mode[1])
    return name.endswith((".read_text", ".read_bytes")) and not name.startswith("files.")


def test_files_are_read_in_one_place():
    readers = {where(path) for path in FILES if path.parent != GUEST for call in calls(path) if reads(call)}
    assert readers == set(READING_OTHERWISE), "see pytest_slm/files.py"


DANGEROUS = {"eval", "exec", "pickle.loads", "pickle.load", "yaml.load", "os.system"}
WALL_CLOCK = {"time.time", "time.time_ns", "datetime.now", "datetime.utcnow", "time.clock_gettime"}


def test_nothing_dangerous():
    wrong = []
    for path in FILES:
        for call in calls(path):
            name = ast.unparse(call.func)
            inside = path.parent == GUEST and name == "exec"  # started by the interpreter in the sandbox only
            trusts = [one for one in call.keywords if one.arg == "trust_remote_code"]
            if (
                (name in DANGEROUS and not inside)
                or any(keyword.arg == "shell" for keyword in call.keywords)
                or any(ast.unparse(keyword.value) != "False" for keyword in trusts)
            ):
                wrong.append(f"{where(path)}:{call.lineno}: {ast.unparse(call)}")
    assert wrong == []


def test_durations_are_of_a_clock_that_does_not_go_backwards():
    measuring = [path for path in FILES if room(path) in ("backends", "hosts", "performance", "machine", "core", "run")]
    assert len(measuring) > 50
    wrong = [
        (where(path), call.lineno) for path in measuring for call in calls(path) if ast.unparse(call.func) in WALL_CLOCK
    ]
    assert wrong == []


# -- what a reader needs ----------------------------------------------------------------------------------------------


def public_classes() -> dict[str, list[str]]:
    """The files that have a public class, by its name. Guests are programs of their own, which nothing imports."""
    found: dict[str, list[str]] = {}
    for path in FILES:
        if path.parent != GUEST and not path.stem.endswith("guest"):
            for node in tree(path).body:
                if isinstance(node, ast.ClassDef) and not node.name.startswith("_"):
                    found.setdefault(node.name, []).append(where(path))
    return found


def test_no_two_classes_have_one_name():
    twice = {name: files for name, files in public_classes().items() if len(files) > 1}
    # what both engines have is one thing
    engines = {"backends/hf", "backends/llamacpp"}
    assert {name: files for name, files in twice.items() if {f.rpartition("/")[0] for f in files} != engines} == {}


def test_types_are_nouns():
    # not what was done to them: Known, Found, Offered
    nouns = ("Need", "Seed", "Speed")
    past = ("ed", "Built", "Found", "Given", "Held", "Kept", "Known", "Left", "LeftOut", "Made", "Read", "Said", "Sent")
    past += ("Shown", "Told", "Written")
    names = list(public_classes())
    assert [name for name in names if name.endswith(past) and not name.endswith(nouns)] == []


def test_what_is_chosen_of_a_set_is_the_same_in_every_process():
    # Texts have another hash in each process, so a set of them has another order: of two that are as long as each other
    # sorted(..., key=len) has either one first.
    def is_set(node):
        if isinstance(node, ast.BinOp):
            return is_set(node.left) or is_set(node.right)
        named = isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in ("set", "frozenset")
        return named or isinstance(node, ast.Set | ast.SetComp)

    def is_total(key):
        return getattr(key, "id", "") == "str" or isinstance(getattr(key, "body", None), ast.Tuple)

    looked_at, wrong = 0, []
    for path in FILES:
        for call in calls(path):
            if getattr(call.func, "id", "") in ("sorted", "min", "max") and call.args and is_set(call.args[0]):
                looked_at += 1
                keys = [word.value for word in call.keywords if word.arg == "key"]
                wrong += [f"{where(path)}:{call.lineno}" for key in keys if not is_total(key)]
    assert looked_at > 50
    assert not wrong, "put the text itself into the key, behind what it is ordered by"


def test_files_are_short():
    long = {where(path): n for path in FILES if (n := len(path.read_text("utf-8").splitlines())) > 330}
    assert not long, "which idea could have a room of its own?"


def test_folders_are_small():
    folders = {path.parent for path in FILES} - {PACKAGE}
    n = {folder: len([path for path in folder.glob("*.py") if path.name != "__init__.py"]) for folder in folders}
    assert len(n) > 15
    assert not {where(folder): files for folder, files in n.items() if files > 13}


def test_public_things_are_explained():
    wrong = [where(path) for path in FILES if not ast.get_docstring(tree(path))]
    for path in FILES:
        for node in tree(path).body:
            public = isinstance(node, ast.ClassDef | ast.FunctionDef) and not node.name.startswith(("_", "pytest_"))
            if public and not ast.get_docstring(node):
                wrong.append(f"{where(path)}:{node.lineno}: {node.name}")
    assert wrong == []
