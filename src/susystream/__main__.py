"""`python -m susystream` is the same as `susystream`."""

from susystream.cli import main

main()
