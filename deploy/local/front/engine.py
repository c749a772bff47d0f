"""The ClickHouse engine in this process: one data path, one connection per request.

Refuses a data path that another process has open, and more queries at once than
its bound. Invariant: database, settings and parameters belong to one request only,
because every request has its own connection (half a millisecond) and never shares it.
"""

import fcntl
import os
import threading
from contextlib import contextmanager

from front.errors import ClickHouseError, from_engine

# Settings of the process: two cores shared with a broker and a worker.
_SERVER = {
    "background_pool_size": 2,
    "background_schedule_pool_size": 2,
    "mark_cache_size": 64 << 20,
    "index_mark_cache_size": 16 << 20,
    "uncompressed_cache_size": 0,
    "mmap_cache_size": 128,
    "max_io_thread_pool_size": 16,
    "max_active_parts_loading_thread_pool_size": 4,
    "max_parts_cleaning_thread_pool_size": 4,
}
# Settings of every query: where the local engine's defaults are not the server's.
_QUERY = {"max_threads": 2, "implicit_select": 0, "allow_introspection_functions": 0}
_QUERIES_MAX = 64
_PIPE_BYTES = 1 << 20


class DataPathTaken(Exception):
    """Another process has the data path open."""


class Engine:
    """Runs statements on one data path."""

    def __init__(self, path, memory_bytes):
        self._path = os.path.abspath(path)
        if any(char in self._path for char in "?*{}&'\\"):
            raise DataPathTaken(f"{self._path}: a data path must not hold any of ?*{{}}&'\\")
        os.makedirs(self._path, exist_ok=True)
        self._lock = _lock(os.path.join(self._path, "front.lock"))
        from chdb.state.sqlitelike import Connection  # slow: only once the path is ours

        self._connect = Connection
        arguments = {**_SERVER, "max_server_memory_usage": memory_bytes}
        text = "&".join(f"{name}={value}" for name, value in arguments.items())
        # Kept open: the engine stops with its last connection.
        self._root = Connection(f"{self._path}/data?{text}")
        self._slots = threading.BoundedSemaphore(_QUERIES_MAX)
        self.version = bytes(self._root.query("SELECT version()", "TSV").bytes()).decode().strip()

    def run(self, sql, request, format_name):
        """Runs a statement to its end; returns (answer, rows written, bytes written)."""
        with self._session(request) as connection:
            try:
                result = connection.query(sql, format_name, params=request.params)
            except Exception as error:  # the binding raises several types
                raise from_engine(error) from error
            return bytes(result.bytes()), result.rows_read(), result.bytes_read()

    def stream(self, head, format_name, tail, request):
        """Starts a query whose rows are written to a pipe; returns its reading end."""
        read_end, write_end = os.pipe()
        try:
            fcntl.fcntl(write_end, getattr(fcntl, "F_SETPIPE_SZ", 1031), _PIPE_BYTES)
        except OSError:
            pass  # a smaller pipe is only slower
        sql = f"{head} INTO OUTFILE '/dev/fd/{write_end}' APPEND FORMAT {format_name}{tail}"
        return Stream(self, sql, request, read_end, write_end)

    def close(self):
        self._root.close()

    @contextmanager
    def _session(self, request):
        if not self._slots.acquire(blocking=False):
            text = f"Too many simultaneous queries. Maximum: {_QUERIES_MAX}"
            raise ClickHouseError(202, "TOO_MANY_SIMULTANEOUS_QUERIES", text)
        connection = None
        try:
            connection = self._connect(f"{self._path}/data")
            try:
                for statement in _prepare(request):
                    connection.query(statement, "Null")
            except Exception as error:  # an unknown database or setting
                raise from_engine(error) from error
            yield connection
        finally:
            if connection is not None:
                connection.close()
            self._slots.release()


class Stream:
    """The answer of one running query, read as it is made; memory is bounded by a pipe."""

    def __init__(self, engine, sql, request, read_end, write_end):
        self._read_end, self._write_end = read_end, write_end
        self._engine, self._sql, self._request = engine, sql, request
        self._error = None
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def read(self, size):
        """The next bytes; b"" at the end. Raises the query's error once all bytes are read."""
        piece = os.read(self._read_end, size)
        if not piece:
            self._thread.join()
            if self._error is not None:
                raise self._error
        return piece

    def close(self):
        """Ends the query, if it still runs, by closing the pipe it writes to."""
        os.close(self._read_end)
        self._thread.join()

    def _run(self):
        try:
            self._engine.run(self._sql, self._request, "Null")
        except ClickHouseError as error:
            self._error = error
        finally:
            os.close(self._write_end)


def _prepare(request):
    """The statements that give a fresh connection the request's database and settings."""
    name = request.database.replace("\\", "\\\\").replace("`", "\\`")
    yield f"USE `{name}`"
    settings = {**_QUERY, **request.settings}
    # Last, because after it nothing can be set any more.
    readonly = settings.pop("readonly", None)
    yield "SET " + ", ".join(f"{name} = {_quoted(value)}" for name, value in settings.items())
    if readonly is not None:
        yield f"SET readonly = {_quoted(readonly)}"


def _quoted(value):
    return "'" + str(value).replace("\\", "\\\\").replace("'", "\\'") + "'"


def _lock(path):
    handle = open(path, "a")
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        handle.close()
        raise DataPathTaken(f"another process has {os.path.dirname(path)} open") from error
    return handle
