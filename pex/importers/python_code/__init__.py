"""Prompts in Python files, found in the syntax tree; the files are never imported or run."""
