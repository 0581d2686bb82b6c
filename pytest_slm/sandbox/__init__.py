"""Programs that nobody has read, run where they can do no harm: CPython for WASI under wasmtime.

``Sandbox().run(program, tests)`` gives a ``ProgramOutcome``, ``Worlds().run(execution)`` the results of calls of
tools, ``Chains().run(chain)`` that of a chain of calls.
docs/decisions/0010-sandbox.md says why this boundary, and what it does not do.
"""

from pytest_slm.sandbox.chains import Chains
from pytest_slm.sandbox.image import available
from pytest_slm.sandbox.outcome import PASS_AT_1, Limits, ProgramOutcome
from pytest_slm.sandbox.runner import Sandbox, stand_in
from pytest_slm.sandbox.worlds import Worlds

__all__ = ["PASS_AT_1", "Chains", "Limits", "ProgramOutcome", "Sandbox", "Worlds", "available", "stand_in"]
