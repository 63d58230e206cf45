"""Runs a module of pex's as `python -P -m` does, in a process that does not know of `-P`.

`python start.py MODULE ARGUMENTS`. A kernel is to be as an ordinary one, down to `sys.flags`, and
has its own folder among the places of modules. What is imported before that is not looked for
there: Python puts the folder of this file first, which goes before anything else is imported.
"""

import sys

if __name__ == "__main__":
    if not sys.flags.safe_path:
        del sys.path[0]

    import runpy

    runpy.run_module(sys.argv.pop(1), run_name="__main__", alter_sys=True)
