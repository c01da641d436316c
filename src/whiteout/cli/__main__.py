"""`python -m whiteout.cli`: the command line without its entry point."""

from whiteout.cli import main

main()
