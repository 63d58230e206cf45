"""Runs a module of pex as `python -P -m` does, in a process that does not appear to use `-P`.

`python start.py MODULE ARGUMENTS`. A kernel should look like an ordinary one, including
`sys.flags`, and have its own folder on the module search path. Earlier imports must not be looked
for there: Python puts this file's folder first, which is removed before any other import.
"""

import sys

if __name__ == "__main__":
    if not sys.flags.safe_path:
        del sys.path[0]

    import runpy

    runpy.run_module(sys.argv.pop(1), run_name="__main__", alter_sys=True)
