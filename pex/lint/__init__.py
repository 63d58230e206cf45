"""Prompts checked without a model: what makes them unsafe, contradictory, unfair or dear.

`linting` reads the files, `rules` knows every rule, each a function of one `Subject`.
"""
