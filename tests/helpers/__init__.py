"""What tests share: endpoints, servers, browsers, made-up results."""

from pathlib import Path

ROOT = Path(__file__).parents[2]
"""The repository."""
