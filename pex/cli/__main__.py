"""`python -m pex.cli`: the same as `pexlab`."""

from pex.cli.main import main

main()
