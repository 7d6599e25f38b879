"""`python -m kinoloop.cli` is `kinoloop`, from a checkout that is not installed."""

from kinoloop.cli.main import main

main()
