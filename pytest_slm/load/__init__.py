"""From YAML files to Submission, Suite and Task. Nothing else in the project reads YAML.

A file from a pull request is read with the same care as any other: size, depth and aliases are limited, tags that build
Python objects do not exist, and a ``UsageError`` tells all mistakes of a file, each with file, line and key.
"""

from pytest_slm.load.profiles import load_profiles
from pytest_slm.load.submissions import FORMATS, PICKLES, REQUIRED, SLUG, load_submission, submission_problems
from pytest_slm.load.suites import load_suite
from pytest_slm.load.tasks import load_task
from pytest_slm.load.writing import submission_text

__all__ = [
    "FORMATS",
    "PICKLES",
    "REQUIRED",
    "SLUG",
    "load_profiles",
    "load_submission",
    "load_suite",
    "load_task",
    "submission_problems",
    "submission_text",
]
