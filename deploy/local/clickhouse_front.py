#!/usr/bin/env python3
"""A ClickHouse HTTP server for development: the real engine, one process, one data path.

It speaks as much of the server's HTTP interface as Meterline and its tests use; the
README beside it lists what it does not do, and it refuses those with a clear error.
Invariant: what it acknowledged is on the data path, whatever happens to this process.
"""

import argparse
import os
import signal
import sys
import threading

from front.engine import DataPathTaken, Engine
from front.faults import Faults
from front.server import Front

_STOP_SECONDS = 10


def main():
    args = _arguments()
    os.environ["TZ"] = "UTC"
    try:
        engine = Engine(args.data, args.memory_mib << 20)
    except DataPathTaken as error:
        sys.exit(f"clickhouse_front: {error}")
    faults = Faults(args.faults)
    password = os.environ.get("METERLINE_FRONT_PASSWORD", "")
    try:
        address = (args.host, args.port)
        front = Front(address, engine, faults, (args.user, password), _spool_folder(args.data), args.tls)
    except OSError as error:
        sys.exit(f"clickhouse_front: cannot listen on {args.host}:{args.port}: {error.strerror}")
    _stop_on_signal(front)
    print(f"ready on {args.host}:{front.server_address[1]}", file=sys.stderr, flush=True)
    front.serve_forever(poll_interval=0.1)
    faults.remove()
    _close_within(engine, _STOP_SECONDS)
    os._exit(0)  # threads that still answer are daemons of a stopped front


def _arguments():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", required=True, help="the data path; nobody else may have it open")
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, required=True, help="0 takes a free one and prints it")
    parser.add_argument("--user", default="default", help="the password is in METERLINE_FRONT_PASSWORD")
    parser.add_argument("--memory-mib", type=int, default=4096, help="bound of the engine's memory")
    parser.add_argument("--tls", metavar="PEM", help="serve https with this key and certificate")
    parser.add_argument("--faults", action="store_true", help="serve /__faults, for tests")
    return parser.parse_args()


def _spool_folder(data):
    """An empty folder for the rows of running inserts; what a killed front left is removed."""
    folder = os.path.join(os.path.abspath(data), "spool")
    os.makedirs(folder, exist_ok=True)
    for name in os.listdir(folder):
        os.unlink(os.path.join(folder, name))
    return folder


def _stop_on_signal(front):
    def stop(*_):
        # shutdown() waits for the loop that this handler interrupts.
        threading.Thread(target=front.shutdown, daemon=True).start()

    signal.signal(signal.SIGTERM, stop)
    signal.signal(signal.SIGINT, stop)


def _close_within(engine, seconds):
    closing = threading.Thread(target=engine.close, daemon=True)
    closing.start()
    closing.join(seconds)


if __name__ == "__main__":
    main()
