"""Fixtures of a Playground's tests without a browser."""

from tests.helpers.playing import new_kernel

__all__ = ["new_kernel"]
