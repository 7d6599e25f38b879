"""The entry point of `kinoloop`, also as `python -m kinoloop.cli` from a bare checkout."""

import sys

from kinoloop.errors import MissingExtraError
from kinoloop.extras import explained


def main() -> None:
    """Run the command, or say how it is installed where only the core is."""
    try:
        with explained("the command line"):
            from kinoloop.cli.interrupts import interruptible
    except MissingExtraError as err:
        sys.exit(f"error: {err}")
    with interruptible():
        try:
            with explained("the command line"):
                from kinoloop.cli.main import main as run
        except MissingExtraError as err:
            sys.exit(f"error: {err}")
        run()


if __name__ == "__main__":
    main()
