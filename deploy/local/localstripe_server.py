"""localstripe on one loopback port, in memory.

Its own command listens on every interface and keeps what it has in a file that all its processes
share. Refuses nothing. Invariant: two of these share nothing.
"""

import argparse

from aiohttp import web
from localstripe.resources import Store
from localstripe.server import app


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--port", type=int, required=True)
    Store.dump_to_disk = lambda _store: None
    web.run_app(app, host="127.0.0.1", port=parser.parse_args().port)


if __name__ == "__main__":
    main()
