"""Prompts checked without a model: unsafe, contradictory, unfairly scored or expensive ones.

`linting` reads the files, `rules` knows every rule, each a function of one `Subject`.
"""
