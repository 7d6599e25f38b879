"""`python -m cli` is `kinoloop`, from a checkout that is not installed."""

from cli.main import main

main()
