"""Files that anybody may have written, read within limits.

A name in a folder may be a pipe that nobody ever writes to, a device without an end, a link to somewhere else or a
sparse file of terabytes; JSON may be nested until the stack ends, or say one key twice. ``open_regular`` and
``parse_json`` are the ways in for all of it. They raise what ``open`` and ``json.loads`` raise (OSError, ValueError),
with a reason of a few words: whoever asks knows what the file was for, and says so.
"""

from __future__ import annotations

import errno
import json
import os
import stat
import sys
from collections import Counter
from io import BufferedReader
from pathlib import Path
from typing import Any, NoReturn

from pytest_slm.core.record import LONGEST_PART, LONGEST_PATH, longest_part

MIB = 1 << 20
TEXT = 64 * MIB
"""Bytes of a document that is read as a whole: a report, a configuration, a manifest, questions."""
LINES = 1024 * MIB
"""Bytes of a file of one line for each answer."""
MAX_DEPTH = 100
"""Levels of lists and objects in JSON. What is deeper would be parsed, and then end some recursion behind it."""
MAX_DIGITS = 308
"""Of an integer: what has more is no float either."""

_FLAGS = os.O_RDONLY | sum(getattr(os, name, 0) for name in ("O_NONBLOCK", "O_CLOEXEC", "O_NOCTTY", "O_BINARY"))
_KINDS = {
    stat.S_IFDIR: (errno.EISDIR, "a folder"),
    stat.S_IFIFO: (errno.EINVAL, "a pipe"),
    stat.S_IFSOCK: (errno.EINVAL, "a socket"),
    stat.S_IFCHR: (errno.EINVAL, "a device"),
    stat.S_IFBLK: (errno.EINVAL, "a device"),
}


def open_regular(path: str | os.PathLike[str], limit: int | None = None) -> BufferedReader:
    """An ordinary file of at most ``limit`` bytes (None: of any size), open for reading bytes.

    Links are followed, as in caches of models. It never waits, nor opens what is no ordinary file. Raises OSError.
    """
    try:
        _check(Path(path).stat(), limit, path)  # before it is opened: some devices act when they are
        handle = os.open(path, _FLAGS)
    except ValueError as error:  # a NUL, or half a character
        raise OSError(errno.EINVAL, f"no name that a file can have: {error}") from None
    try:
        _check(os.fstat(handle), limit, path)  # it may have been replaced in between
        return os.fdopen(handle, "rb")
    except BaseException:
        os.close(handle)
        raise


def special(path: str | os.PathLike[str]) -> str:
    """What is there in the place of an ordinary file (``a pipe, not a file``), or a link to nothing; empty for a file
    and where there is none."""
    try:
        _check(Path(path).stat(), None, path)
    except OSError as error:
        return str(error.strerror) if error.errno in (errno.EISDIR, errno.EINVAL) else dangling(path)
    except ValueError:  # a NUL: nothing can be there
        return ""
    return ""


def dangling(path: str | os.PathLike[str]) -> str:
    """Where a symbolic link leads to, if nothing is there; empty for all else."""
    try:
        target = Path(path).readlink()
    except (OSError, ValueError):
        return ""
    return "" if Path(path).exists() else f"a symbolic link to {target}, where nothing is"


def read_bytes(path: str | os.PathLike[str], limit: int = TEXT) -> bytes:
    """All of an ordinary file that has at most ``limit`` bytes. Raises OSError."""
    with open_regular(path, limit) as file:
        size = os.fstat(file.fileno()).st_size
        data = file.read(size + 1)
        if len(data) > size:  # it grows, or the system did not tell its size
            data += file.read(limit + 1 - len(data))
    if len(data) > limit:
        raise _too_large(path, "more", limit)
    return data


def read_text(path: str | os.PathLike[str], limit: int = TEXT) -> str:
    """The same as UTF-8 text, with ends of lines as they are. Raises OSError, or ValueError where it is not UTF-8."""
    return read_bytes(path, limit).decode("utf-8")


def read_json(path: str | os.PathLike[str], limit: int = TEXT) -> Any:
    """The JSON document in an ordinary file. Raises OSError or ValueError."""
    return parse_json(read_bytes(path, limit))


def parse_json(content: bytes | str, depth: int = MAX_DEPTH) -> Any:
    """The JSON value in ``content``. Raises ValueError where it is not UTF-8 or not valid, for NaN, infinity, numbers
    beyond a float's range, more than ``depth`` levels, and an object with one key twice."""
    data = content.encode("utf-8", "surrogatepass") if isinstance(content, str) else content
    if data.count(b"[") + data.count(b"{") > depth and deep(outline(data), depth):
        raise ValueError(f"nested deeper than {depth} levels")
    return json.loads(
        content if isinstance(content, str) else content.decode("utf-8"),
        parse_constant=_constant,
        parse_float=_float,
        parse_int=_int,
        object_pairs_hook=_object,
    )


def name_problem(path: str) -> str:
    """Why no system has a file of that name; '' where nothing is wrong with it."""
    longest = longest_part(path)
    if len(path) > LONGEST_PATH:
        return f"has {len(path)} characters, and at most {LONGEST_PATH} are read"
    return "" if longest <= LONGEST_PART else f"a name of {longest} bytes, and a file's has at most {LONGEST_PART}"


def inside(folder: Path, name: str) -> Path:
    """The place of ``name`` below ``folder``. Raises OSError where it leads out of it, by ``..`` or by a link."""
    if _plain(folder, name):
        return folder / name
    try:
        place, root = (folder / name).resolve(), folder.resolve()
    except (ValueError, RuntimeError) as error:  # a NUL; links in a circle
        raise OSError(errno.EINVAL, f"no name that a file can have: {error}") from None
    if place == root or not place.is_relative_to(root):
        raise OSError(errno.EINVAL, "outside of its folder")
    return folder / name


def _plain(folder: Path, name: str) -> bool:
    """Whether a file is there, and its name says where: no link and no way up below the folder. Of most it does, and to
    resolve every part of a path takes longer than to read a report."""
    parts, place = name.split("/"), os.fspath(folder)
    if os.sep != "/" or not {"", ".", ".."}.isdisjoint(parts):
        return False
    try:
        for part in parts:
            place = f"{place}/{part}"
            if stat.S_ISLNK(os.lstat(place).st_mode):
                return False
    except (OSError, ValueError):
        return False
    return True


def _check(found: os.stat_result, limit: int | None, path: str | os.PathLike[str]) -> None:
    kind = stat.S_IFMT(found.st_mode)
    if kind != stat.S_IFREG:
        number, word = _KINDS.get(kind, (errno.EINVAL, "something else"))
        raise OSError(number, f"{word}, not a file", os.fspath(path))
    if limit is not None and found.st_size > limit:
        raise _too_large(path, f"{found.st_size} bytes", limit)


def _too_large(path: str | os.PathLike[str], size: str, limit: int) -> OSError:
    return OSError(errno.EFBIG, f"{size}, and at most {limit} are read", os.fspath(path))


_NO_MARKS = bytes(set(range(256)) - set(b'[]{}":'))
_ONE_KIND = bytes.maketrans(b"{}", b"[]")


def outline(data: bytes) -> bytes:
    """The brackets (all of them square) and the colons of JSON that stand outside of strings: of what is valid, a colon
    for each key of an object."""
    if b"\\" in data:
        data = data.replace(b"\\\\", b"").replace(b'\\"', b"")
    # Of most strings only their quotes are left; what stands between others is inside and outside of one by turns.
    marks = data.translate(_ONE_KIND, _NO_MARKS).replace(b'""', b"")
    return b"".join(marks.split(b'"')[::2])


def deep(outline: bytes, depth: int = MAX_DEPTH) -> bool:
    """Whether brackets are nested too deep: each round takes the innermost pairs away."""
    brackets = outline.replace(b":", b"")
    for _ in range(depth):
        if not brackets:
            return False
        brackets = brackets.replace(b"[]", b"")
    # Text that ends too early leaves what it opened.
    return b"[]" in brackets or brackets.count(b"[") > depth


_LARGEST = sys.float_info.max


def _constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is no JSON number")


def _float(text: str) -> float:
    number = float(text)
    if -_LARGEST <= number <= _LARGEST:
        return number
    raise ValueError(f"{text:.40} is too large a number")


def _int(text: str) -> int:
    if len(text) > MAX_DIGITS:
        raise ValueError(f"an integer of {len(text)} digits")
    return int(text)


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        ((key, _),) = Counter(key for key, _ in pairs).most_common(1)
        raise ValueError(f"the key {key!r:.80} stands there twice")
    return found
