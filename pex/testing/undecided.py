"""The third outcome of a comparison, as an exception."""

from __future__ import annotations


class Undecided(Exception):  # noqa: N818 - it is no error: the evidence suffices for neither verdict
    """A comparison came out undecided: shown as neither passed nor failed.

    Not an `AssertionError`, so a test that expects a failure does not take it for one. Outside
    pytest it is an exception like any other.
    """
