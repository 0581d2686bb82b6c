"""The interpreter that holds tool classes: each message makes new instances, and calls their methods.

The first message has the library's modules, every other one a world and its calls; see ``pytest_slm.sandbox.worlds``.
Each answer begins with the word of its message, so that what a class writes in between is not taken for one.
Nothing of a message is evaluated: a call is the name of a public method and plain data for it.
"""

import json
import sys
from copy import deepcopy

from pytest_slm.sandbox.guest.wire import Hangup, Reader, parse, write

MethodType = type(Reader().read)

REFUSED = ("kill", "exit", "quit", "remove", "unlink", "popen", "Popen", "run")
"""Names that BFCL's own runner refuses."""
LONG = 2000
"""Letters of a result that two sides are compared by; of a longer one its hash is compared."""


class Library:
    """The modules of tool classes, each run when it is first needed; those of no class before all others."""

    def __init__(self, modules, classes):
        self.modules = modules
        self.classes = classes
        for name in modules:
            if name not in classes.values():
                self.load(name)

    def load(self, name):
        """A module of the library."""
        if name not in sys.modules:
            module = sys.modules[name] = type(sys)(name)
            exec(compile(self.modules[name], f"<{name}>", "exec"), module.__dict__)
        return sys.modules[name]

    def make(self, name):
        """A new instance of a class."""
        return getattr(self.load(self.classes[name]), name)()


class Instances:
    """New instances of the classes of a world, and the methods that may be called."""

    def __init__(self, library, world):
        self.by_class = {}
        self.methods = {}
        for name in world["classes"]:
            one = library.make(name)
            if hasattr(one, "_load_scenario"):
                one._load_scenario(deepcopy(world["config"].get(name, {})), long_context=world["long_context"])
            self.by_class[name] = one
            for method in dir(one):
                if not method.startswith("_") and type(value := getattr(one, method)) is MethodType:
                    self.methods[method] = value

    def call(self, name, positional, arguments):
        """The result of one call as text, or what went wrong, as BFCL tells it."""
        try:
            if name in REFUSED:
                raise NameError(f"Function call {name} is not allowed.")
            if name not in self.methods:
                raise NameError(f"name {name!r} is not defined")
            return told(self.methods[name](*positional, **arguments))
        except (MemoryError, Hangup):
            raise
        except BaseException as error:  # SystemExit too: a class may end its own call, not the world
            return f"Error during execution: {said(error)}"

    def shown(self, method):
        """What a method of the first class says of its state; empty where none is asked."""
        return told(getattr(next(iter(self.by_class.values())), method)()) if method else ""

    def differing(self, gold):
        """The public attributes that are not what they are in the other world."""
        return [
            f"{name}.{attribute}"
            for name, one in gold.by_class.items()
            for attribute, value in vars(one).items()
            if not attribute.startswith("_") and not same(vars(self.by_class[name]).get(attribute, Hangup), value)
        ]


def told(value):
    """A result as BFCL shows it to models."""
    try:
        return json.dumps(value) if type(value) is dict else str(value)
    except (TypeError, ValueError, RecursionError):  # what JSON cannot say
        return str(value)


def said(error):
    """The text of an exception, which may have a method of its own for that."""
    try:
        return str(error)
    except Exception:
        return type(error).__name__


def same(mine, other):
    """Whether two values are equal, by what their classes say; those that cannot be compared are not."""
    try:
        return bool(mine == other)
    except Exception:
        return False


def short(results):
    """Results for a comparison."""
    import hashlib

    return [
        one if len(one) <= LONG else f"{one[:LONG]}... {hashlib.sha256(one.encode('utf-8', 'replace')).hexdigest()}"
        for one in results
    ]


def execute(library, world, turns, new, gold, shown):
    """Make the calls of all turns; the newest results and what the state then is, or the comparison after each turn."""
    mine = Instances(library, world)
    if gold is None:
        results = [mine.call(*call) for turn in turns for call in turn]
        return {"results": results[len(results) - new :], "shown": mine.shown(shown)}
    other = Instances(library, world)
    compared = []
    for calls, wanted in zip(turns, gold, strict=True):
        results = [mine.call(*call) for call in calls]
        expected = [other.call(*call) for call in wanted]
        compared.append(
            {
                "results": short(results),
                "gold_results": short(expected),
                "differing": mine.differing(other),
            }
        )
    return {"turns": compared}


reader = Reader()
sys.stdout = sys.stderr
sys.path.clear()
sys.path.append("/usr/local/lib/python312.zip")
library = None
while True:
    word = None
    try:
        message = parse(reader.read())
        word = message.pop("word")
        if library is None:
            library = Library(**message)
            answer = {}
        else:
            answer = execute(library, **message)
    except Hangup:
        break
    except MemoryError:
        answer = {"ending": "out_of_memory", "explanation": "the world lacked memory"}
    except BaseException as error:
        answer = {"ending": "unmade", "explanation": f"{type(error).__name__}: {said(error)[:500]}"}
    write([word, answer])
