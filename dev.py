"""Run `python3 dev.py demo` or `python3 dev.py test`; `python3 dev.py --help` lists the rest.

This file and dev/__init__.py are written so that Python 3.6 can still read them and say that it is too old.
"""

import sys

from dev import NEWEST_PYTHON, OLDEST_PYTHON


def main():
    if not OLDEST_PYTHON <= sys.version_info[:2] <= NEWEST_PYTHON:
        this, oldest, newest = (
            ".".join(map(str, version)) for version in (sys.version_info[:2], OLDEST_PYTHON, NEWEST_PYTHON)
        )
        print(f"dev.py: this is Python {this}, but the pinned packages need {oldest} to {newest}.", file=sys.stderr)
        return 1
    from dev.command_line import run

    return run(sys.argv[1:])


if __name__ == "__main__":
    sys.exit(main())
