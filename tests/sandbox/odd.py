"""Programs that are written in an odd way, and right. The tests are those that such a function would be given."""

# ruff: noqa: E501

BASIC = "assert f(1) == 2\nassert f(40) == 41\n"

# name: program; the tests are BASIC
PLAIN = {
    "a lambda": "f = lambda x: x + 1",
    "a partial": "from functools import partial\nfrom operator import add\nf = partial(add, 1)",
    "a method": "class A:\n    def g(self, x): return x + 1\nf = A().g",
    "a class method": "class A:\n    @classmethod\n    def g(cls, x): return x + 1\nf = A.g",
    "an object that can be called": "class A:\n    def __call__(self, x): return x + 1\nf = A()",
    "a class": "class f(int):\n    def __new__(cls, x): return int.__new__(cls, x + 1)",
    "a method of Python's": "f = (1).__add__",
    "a closure": "def g(n):\n    def h(x): return x + n\n    return h\nf = g(1)",
    "functions in functions": "def f(x):\n    def g():\n        nonlocal x\n        x += 1\n    g()\n    return x",
    "a decorator": "def g(h):\n    def k(*a, **b): return h(*a, **b) + 1\n    return k\n@g\ndef f(x): return x",
    "a cache": "from functools import lru_cache\n@lru_cache(maxsize=None)\ndef f(x): return x + 1",
    "a wrapped cache": "import functools\n@functools.cache\ndef g(x): return x + 1\ndef f(x): return g(x)",
    "single dispatch": "from functools import singledispatch\n@singledispatch\ndef f(x): ...\n@f.register\ndef _(x: int): return x + 1",
    "a default": "def f(x, n=1): return x + n",
    "named only": "def f(x, /, *, n=1): return x + n",
    "any arguments": "def f(*a, **b): return a[0] + 1",
    "it replaces itself": "def f(x):\n    global f\n    f = lambda y: y + 1\n    return f(x)",
    "recursion": "def f(x): return x + 1 if x < 2 else f(x - 1) + 1",
    "eval": "def f(x): return eval('x + 1')",
    "exec": "exec('def f(x): return x + 1')",
    "walrus": "def f(x): return y if (y := x + 1) else 0",
    "match": "def f(x):\n    match x:\n        case int(n): return n + 1\n        case _: return None",
    "a generator's value": "def g(x): return (yield x) or x + 1\ndef f(x):\n    try:\n        h = g(x)\n        next(h); next(h)\n    except StopIteration as e: return e.value",
    "finally": "def f(x):\n    try: return x\n    finally: return x + 1",
    "for else": "def f(x):\n    for _ in (): break\n    else: return x + 1",
    "a comprehension": "def f(x): return [y + 1 for y in [x]][0]",
    "reduce": "from functools import reduce\ndef f(x): return reduce(lambda a, b: a + b, [1] * (x + 1))",
    "a bit trick": "def f(x): return -~x",
    "true is a number": "def f(x): return x + True",
    "a number like an int": "def f(x): return x + 1.0",
    "a fraction like an int": "from fractions import Fraction\ndef f(x): return Fraction(x + 1, 1)",
    "a decimal like an int": "from decimal import Decimal\ndef f(x): return Decimal(x) + 1",
    "a complex like an int": "def f(x): return complex(x + 1)",
    "an enum like an int": "from enum import IntEnum\nclass N(IntEnum):\n    A = 2\n    B = 41\ndef f(x): return N(x + 1)",
    "a subclass of int": "class N(int): pass\ndef f(x): return N(x + 1)",
    "unicode names": "def addiére(größe): return größe + 1\nf = addiére",
    "type hints": "from typing import Any, Callable, Optional, TypeVar\nT = TypeVar('T')\ndef f(x: Optional[int]) -> 'Any': return x + 1",
    "hints of the future": "from __future__ import annotations\ndef f(x: Nothing[0]) -> Unknown: return x + 1",
    "new generics": "type N = int\ndef f[T](x: T) -> N: return x + 1",
    "a protocol": "from typing import Protocol\nclass P(Protocol):\n    def g(self): ...\ndef f(x: P): return x + 1",
    "a data class": "from dataclasses import dataclass, field\n@dataclass(frozen=True, order=True)\nclass A:\n    x: int\n    y: list = field(default_factory=list)\ndef f(x): return A(x).x + 1",
    "an abstract class": "from abc import ABC, abstractmethod\nclass A(ABC):\n    @abstractmethod\n    def g(self, x): ...\nclass B(A):\n    def g(self, x): return x + 1\nf = B().g",
    "a metaclass": "class M(type):\n    def __getitem__(cls, x): return x + 1\nclass A(metaclass=M): pass\ndef f(x): return A[x]",
    "slots and properties": "class A:\n    __slots__ = ('_x',)\n    def __init__(self, x): self._x = x\n    @property\n    def x(self): return self._x + 1\ndef f(x): return A(x).x",
    "a context": "from contextlib import contextmanager\n@contextmanager\ndef g(x): yield x + 1\ndef f(x):\n    with g(x) as y: return y",
    "coroutines by hand": "async def g(x): return x + 1\ndef f(x):\n    try: g(x).send(None)\n    except StopIteration as e: return e.value",
    "the main guard": "def f(x): return x + 1\nif __name__ == '__main__':\n    print(f(int(input())))",
    "asserts of its own": "def f(x): return x + 1\nassert f(1) == 2",
    "input at hand": "def g(): return input('a number? ')\ndef f(x): return x + 1",
    "an exception caught at the beginning": "try: n = int(input())\nexcept EOFError: n = 1\ndef f(x): return x + n",
    "doctests": "def f(x):\n    '''\n    >>> f(1)\n    2\n    '''\n    return x + 1\nimport doctest\ndoctest.testmod()",
    "it prints much": "print('x' * 90_000)\ndef f(x):\n    print('y' * 9000)\n    return x + 1",
    "it writes to stderr": "import sys, warnings\nwarnings.warn('old')\nsys.stderr.write('hello')\ndef f(x): return x + 1",
    "it logs": "import logging\nlogging.basicConfig(level=10)\ndef f(x):\n    logging.info('%s', x)\n    return x + 1",
    "it waits": "import time\ndef f(x):\n    time.sleep(3600)\n    return x + 1",
    "a seed": "import random\nrandom.seed(7)\ndef f(x): return x + random.choice([1])",
    "much at its beginning": "TABLE = [i + 1 for i in range(100_000)]\ndef f(x): return TABLE[x]",
    "a million numbers": "MEMO = [0] * 10 ** 6\ndef f(x):\n    MEMO[x] = MEMO[x] or x + 1\n    return MEMO[x]",
    "a great dict": "MEMO = dict.fromkeys(range(200_000))\ndef f(x): return x + 1",
    "a dict in itself": "G = {}\nG['G'] = G\ndef f(x): return x + 1",
    "a list in itself": "G = []\nG.append((G, [G]))\ndef f(x): return x + 1",
    "a tree with parents": "class N:\n    def __init__(self, up=None):\n        self.up, self.down = up, [up]\nROOT = N()\nROOT.down = [N(ROOT) for _ in range(9)]\ndef f(x): return x + 1",
    "a deep list": "G = []\nfor _ in range(10 ** 5): G = [G]\ndef f(x): return x + 1",
    "a global without end": "from itertools import count\nN = count()\ndef f(x): return x + 1",
    "a global that cannot be shown": "class A:\n    def __repr__(self): raise ValueError\n    __eq__ = __hash__ = __len__ = __iter__ = __repr__\na = A()\ndef f(x): return x + 1",
    "a global of many objects": "G = [object() for _ in range(50_000)]\ndef f(x): return x + 1",
    "names like Python's": "list = [1]\nstr = 'x'\nid = input = type = None\ndef f(x): return x + list[0]",
    "names like the judge's": "def ask(x): return x + 1\nanswer = objects = write = reader = None\ndef f(x): return ask(x)",
    "names like modules": "class math:\n    def one(): return 1\nstring = sys = 1\ndef f(x): return x + math.one()",
    "nothing left": "def f(x): return x + 1\nimport gc, sys\nsys.modules.pop('gc')\ndel gc\nimport gc\ngc.collect()",
    "modules of all kinds": (
        "import array, bisect, calendar, cmath, collections.abc, copy, csv, datetime, difflib, hashlib, heapq, itertools\n"
        "import json, math, numbers, operator, pprint, queue, re, statistics, string, struct, textwrap, types, uuid, zlib\n"
        "def f(x): return x + 1"
    ),
    "modules with stars": "from math import *\nfrom itertools import *\nfrom collections import *\ndef f(x): return x + floor(1.5)",
    "a thread's lock": "import threading\nlock = threading.Lock()\ndef f(x):\n    with lock: return x + 1",
    "it ends nothing": "import atexit, signal\natexit.register(print)\ndef f(x): return x + 1",
    "a limit of its own": "import sys\nsys.setrecursionlimit(10 ** 6)\ndef g(x): return 0 if not x else 1 + g(x - 1)\ndef f(x): return x + 1 + g(9999) * 0",
    "deep with a cache": "from functools import lru_cache\n@lru_cache(None)\ndef g(x): return 0 if not x else 1 + g(x - 1)\ndef f(x): return x + 1 + 0 * g(450)",
    "deep through C": "def g(x): return 0 if not x else 1 + sum(g(y) for y in [x - 1])\ndef f(x): return x + 1 + 0 * g(120)",
}

# name: (program, tests)
WITH_TESTS = {
    "sum": ("def sum(a, b): return a + b", "assert sum(10, 15) == 25"),
    "a name that is a module's": ("def bisect(a, x): return a.index(x)", "assert bisect([1, 2], 2) == 1"),
    "a class and a function": (
        "class P:\n    def __init__(s, a, b): s.a, s.b = a, b\ndef f(ps): return max(p.b - p.a for p in ps)",
        "assert f([P(5, 24), P(15, 25)]) == 19",
    ),
    "a tree of the tests": (
        "class N:\n    def __init__(s, v): s.v, s.left, s.right = v, None, None\ndef f(n): return 1 + max(f(n.left), f(n.right)) if n else 0",
        "root = N(1)\nroot.left = N(2)\nroot.left.left = N(3)\nassert f(root) == 3",
    ),
    "a module of the tests": (
        "import sys\ndef f(x): return sys.getsizeof(x)",
        "assert f((1, 2)) == sys.getsizeof((1, 2))",
    ),
    "in place": ("def f(x): x.sort()", "x = [3, 1]\nassert f(x) is None\nassert x == [1, 3]"),
    "in place, below": ("def f(x): x[0].append(2)", "y = [1]\nx = [y]\nf(x)\nassert y == [1, 2] and x[0] is y"),
    "in place, by name": ("def f(*, x): x['a'] = 1", "x = {}\nf(x=x)\nassert x == {'a': 1}"),
    "in place, and raised": (
        "def f(x):\n    x.clear()\n    raise KeyError('no')",
        "x = {1}\ntry: f(x)\nexcept KeyError as e: assert e.args == ('no',)\nassert x == set()",
    ),
    "the same list": ("def f(x): return x", "x = [1]\nassert f(x) is x and f((x, x))[0] is x"),
    "a list twice": (
        "def f():\n    x = [1]\n    return [x, x]",
        "x = f()\nx[0].append(2)\nassert x == [[1, 2], [1, 2]]",
    ),
    "a ring": ("def f():\n    x = [1]\n    x.append(x)\n    return x", "x = f()\nassert x[1][1] is x and x[0] == 1"),
    "a ring of objects": (
        "class N: pass\ndef f():\n    n = N()\n    n.next = n\n    return n",
        "assert f().next == f().next.next or True\nn = f()\nassert n.next == n and n.next.next == n",
    ),
    "a mutable default": (
        "def f(x, seen=[]):\n    seen.append(x)\n    return seen",
        "assert f(1) == [1]\nassert f(2) == [1, 2]",
    ),
    "a counter": ("n = 0\ndef f():\n    global n\n    n += 1", "assert n == 0\nf()\nf()\nassert n == 2"),
    "a memo that is looked at": (
        "memo = {}\ndef f(x): return memo.setdefault(x, x + 1)",
        "f(1)\nassert memo == {1: 2}",
    ),
    "a generator": (
        "def f(x): yield from range(x)",
        "assert list(f(3)) == [0, 1, 2]\nassert sorted(f(2)) == [0, 1] and sum(f(4)) == 6",
    ),
    "a generator without end": (
        "def f():\n    n = 0\n    while True:\n        yield n\n        n += 1",
        "x = f()\nassert [next(x), next(x)] == [0, 1]",
    ),
    "a generator that ends": (
        "def f(): yield 1",
        "x = f()\nnext(x)\ntry: next(x)\nexcept StopIteration: pass\nelse: assert 0\nassert next(x, 7) == 7",
    ),
    "a map": ("def f(x): return map(str, x)", "assert list(f([1, 2])) == ['1', '2']"),
    "a zip": ("def f(x): return zip(x, x)", "assert dict(f('ab')) == {'a': 'a', 'b': 'b'}"),
    "keys": ("def f(x): return x.keys()", "assert f({'a': 1}) == {'a'} and list(f({'b': 1})) == ['b']"),
    "items": ("def f(x): return x.items()", "assert sorted(f({'a': 1})) == [('a', 1)]"),
    "values": ("def f(x): return x.values()", "assert sorted(f({'a': 1})) == [1] and 1 in f({'a': 1})"),
    "a named tuple": (
        "from collections import namedtuple\nP = namedtuple('P', 'x y')\ndef f(): return P(1, 2)",
        "assert f() == (1, 2) and f().y == 2 and f()[0] == 1 and isinstance(f(), tuple)",
    ),
    "a typed named tuple": (
        "from typing import NamedTuple\nclass P(NamedTuple):\n    x: int\n    y: int = 2\ndef f(): return P(1)",
        "x, y = f()\nassert (x, y) == (1, 2) and f()._asdict() == {'x': 1, 'y': 2}",
    ),
    "a counter of letters": (
        "from collections import Counter\ndef f(x): return Counter(x)",
        "assert f('aab') == {'a': 2, 'b': 1} and f('a')['z'] == 0 and f('aab').most_common(1) == [('a', 2)]",
    ),
    "a default dict": (
        "from collections import defaultdict\ndef f(x):\n    d = defaultdict(list)\n    for y in x: d[len(y)].append(y)\n    return d",
        "assert f(['a', 'bb']) == {1: ['a'], 2: ['bb']}",
    ),
    "a tree of default dicts": (
        "from collections import defaultdict\nT = lambda: defaultdict(T)\ndef f():\n    t = T()\n    t[1][2] = 3\n    return t",
        "assert f() == {1: {2: 3}}",
    ),
    "an ordered dict": (
        "from collections import OrderedDict\ndef f(): return OrderedDict(b=1, a=2)",
        "assert list(f()) == ['b', 'a'] and f() == {'a': 2, 'b': 1}",
    ),
    "a deque": (
        "from collections import deque\ndef f(x): return deque(x, maxlen=2)",
        "from collections import deque\nassert f([1, 2, 3]) == deque([2, 3])",
    ),
    "a user's list": ("from collections import UserList\ndef f(): return UserList([1])", "assert f() == [1]"),
    "sets": ("def f(x): return {frozenset(x), frozenset()}", "assert f([1]) == {frozenset({1}), frozenset()}"),
    "a tuple in a dict": ("def f(): return {(1, 'a'): {None: True}}", "assert f() == {(1, 'a'): {None: True}}"),
    "none": ("def f(): pass", "assert f() is None"),
    "truth": ("def f(x): return x > 1", "assert f(2) is True and f(1) is False"),
    "nothing but infinity": (
        "def f(): return [float('inf'), -float('inf'), -0.0]",
        "import math\nassert f() == [math.inf, -math.inf, 0] and math.copysign(1, f()[2]) == -1",
    ),
    "not a number": ("def f(): return float('nan')", "import math\nassert math.isnan(f())"),
    "complex": ("import cmath\ndef f(): return cmath.sqrt(-1)", "assert f() == 1j"),
    "a great number": (
        "def f(n):\n    r = 1\n    for i in range(2, n): r *= i\n    return r",
        "assert f(200) % 10 ** 9 == 0 and len(str(f(200))) == 373",
    ),
    "bytes": (
        "def f(x): return [x.encode(), bytearray(x, 'utf8')]",
        "assert f('ß') == [b'\\xc3\\x9f', bytearray(b'\\xc3\\x9f')]",
    ),
    "words of all kinds": (
        "def f(x): return x + '\\0\\n\"\\\\\\u2028\\ud800😀'",
        "assert f('ä') == 'ä\\0\\n\"\\\\\\u2028\\ud800😀'",
    ),
    "a range": ("def f(): return range(1, 9, 2)", "assert f() == range(1, 9, 2) and list(f()) == [1, 3, 5, 7]"),
    "a date": (
        "import datetime\ndef f(d): return d + datetime.timedelta(days=1)",
        "from datetime import date\nassert f(date(2024, 2, 28)) == date(2024, 2, 29)",
    ),
    "an exact number": (
        "from decimal import Decimal\ndef f(x): return Decimal(x) / 3",
        "from decimal import Decimal\nassert f(1) == Decimal(1) / 3",
    ),
    "a fraction": (
        "from fractions import Fraction\ndef f(x): return Fraction(x, 3)",
        "from fractions import Fraction\nassert f(1) == Fraction(1, 3)",
    ),
    "a type": ("def f(x): return type(x)", "assert f(1) is int and f([]) is list"),
    "a member of an enum": (
        "from enum import Enum\nclass C(Enum):\n    RED = 1\ndef f(): return C.RED",
        "assert f() == C.RED and f().name == 'RED' and f().value == 1",
    ),
    "a data class": (
        "from dataclasses import dataclass\n@dataclass\nclass P:\n    x: int\n    y: int = 2\ndef f(): return P(1)",
        "p = f()\nassert (p.x, p.y) == (1, 2) and str(p) == 'P(x=1, y=2)' and isinstance(p, P)",
    ),
    "a stack": (
        "class Stack:\n    def __init__(self): self.a = []\n    def push(self, x):\n        self.a.append(x)\n        return self\n    def __len__(self): return len(self.a)\n    def __getitem__(self, i): return self.a[i]",
        "s = Stack()\nassert not s\ns.push(1).push(2)\nassert len(s) == 2 and s[-1] == 2 and s.a == [1, 2] and list(s) == [1, 2]",
    ),
    "an exception": (
        "def f(x):\n    if x < 0: raise ValueError('below 0')\n    return x",
        "try: f(-1)\nexcept ValueError as e: assert str(e) == 'below 0'\nelse: assert 0",
    ),
    "an exception of its own": (
        "class E(Exception):\n    pass\nclass F(E): pass\ndef f(x): raise F('no', x)",
        "try: f(1)\nexcept E as e: assert e.args == ('no', 1)\nelse: assert 0",
    ),
    "one of Python's, below": (
        "class E(ValueError): pass\ndef f(x): raise E",
        "try: f(1)\nexcept ValueError: pass\nelse: assert 0",
    ),
    "one out of C": (
        "def f(x): return {}[x]",
        "try: f('a')\nexcept KeyError as e: assert e.args[0] == 'a'\nelse: assert 0",
    ),
    "a text that cannot be read": (
        "def f(x): return x.decode()",
        "try: f(b'\\xff')\nexcept UnicodeDecodeError: pass\nelse: assert 0",
    ),
    "it exits where it should": (
        "import sys\ndef f(): sys.exit(3)",
        "try: f()\nexcept SystemExit as e: assert e.code == 3\nelse: assert 0",
    ),
    "too deep where it should": ("def f(x): return f(x + 1)", "try: f(0)\nexcept RecursionError: pass\nelse: assert 0"),
    "a function for the tests": ("def f(n): return lambda x: x + n", "assert f(1)(2) == 3 and f(2)(2) == 4"),
    "a function of the tests": (
        "def f(g, x): return [g(y) for y in x]",
        "assert f(lambda a, b=1: a + b, [1, 2]) == [2, 3]",
    ),
    "many numbers": ("def f(n): return list(range(n))", "assert len(f(100_000)) == 100_000"),
    "a matrix": (
        "def f(n): return [[int(i == j) for j in range(n)] for i in range(n)]",
        "assert f(2) == [[1, 0], [0, 1]]",
    ),
}

POLY = (
    "import math\nfrom typing import List\n\n\ndef g(x: float) -> float:\n    return math.floor(x) - 2\n\n\ndef f(x):\n"
)
CHECK = "def check(candidate):\n    assert g(candidate(1)) == 0\n    assert math.fabs(candidate(2)) == 2\ncheck(f)"

# name: (program, tests, the problem's text, its entry point)
WITH_PROBLEM = {
    "a helper of the problem": (POLY + "    return 2", CHECK, POLY, "f"),
    "without the problem's helper": ("def f(x): return 2", CHECK, POLY, "f"),
    "with another helper": ("def g(x): return 2\ndef f(x): return g(x)", CHECK, POLY, "f"),
    "a helper that calls it": (
        "def f(x): return x + 1",
        "assert g(1) == 3",
        "def g(x): return f(f(x))\n\n\ndef f(x): ...\n",
        "f",
    ),
    "a problem that is no Python": ("def f(x): return x + 1", BASIC, "Write a function f.", "f"),
}

ODD = {
    **{name: (program, BASIC) for name, program in PLAIN.items()},
    **{f"{name} ": case for name, case in WITH_TESTS.items()},
    **{f"problem: {name}": case for name, case in WITH_PROBLEM.items()},
}
