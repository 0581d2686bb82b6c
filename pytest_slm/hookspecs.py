"""What other packages can add: engines and scorers. A whole plugin is one function::

def pytest_slm_register_backends(register):
    register("rwkv", "my_package.engine:Rwkv", formats=("gguf",), needs=("rwkv_cpp",))
"""

from __future__ import annotations

from collections.abc import Callable


def pytest_slm_register_backends(register: Callable[..., None]) -> None:
    """Call ``register(name, "module:Class", formats=(...), needs=(...), extra=None)`` for each of your backends.

    The class is imported in the model's process only. It is opened as ``Class(spec)`` and follows
    ``pytest_slm.backends.protocol.Backend``.
    """


def pytest_slm_register_scorers(register: Callable[..., None]) -> None:
    """Call ``register(name, function)`` or ``register(name, "module:function")`` for each of your scorers.

    A scorer is a pure function ``(Sample, Generation) -> Verdict``; tasks name it with ``scorer: <name>``.
    """
