"""ClickHouse over HTTP, with what Python brings along.

Refuses to guess: an answer that is not 200 is an error with ClickHouse's own words.
"""

import http.client
import json
from urllib.parse import urlencode, urlsplit

from trial import TrialError

_TIMEOUT_SECONDS = 300
# How the engine writes NULL where every value is text.
_NULL = "ᴺᵁᴸᴸ"


class ClickHouse:
    """Queries on the database of a trial."""

    def __init__(self, environment):
        setting = {name: environment[f"METERLINE__CLICKHOUSE__{name}"] for name in ("URL", "USER", "PASSWORD", "DATABASE")}
        self._address = urlsplit(setting["URL"]).netloc
        self._headers = {"X-ClickHouse-User": setting["USER"], "X-ClickHouse-Key": setting["PASSWORD"]}
        self.database = setting["DATABASE"]

    def rows(self, query):
        """The rows of a query as tuples; decimals and 64-bit numbers come as exact text, NULL as None."""
        answer = json.loads(self.run(f"{query}\nFORMAT JSONCompactStrings"))
        return [tuple(None if value == _NULL else value for value in row) for row in answer["data"]]

    def number(self, query):
        """The one whole number that a query answers."""
        return int(self.rows(query)[0][0])

    def insert(self, statement, chunks):
        """Runs an INSERT whose rows come from an iterable of bytes."""
        self._request({"query": statement}, chunks)

    def run(self, statement):
        """Runs a statement and returns the answer's text."""
        return self.read(statement).decode()

    def read(self, statement):
        """Runs a statement and returns the answer's bytes, for formats that are no text."""
        return self._request({}, [statement.encode()])

    def _request(self, parameters, chunks):
        connection = http.client.HTTPConnection(self._address, timeout=_TIMEOUT_SECONDS)
        try:
            path = "/?" + urlencode({"database": self.database, **parameters})
            connection.request("POST", path, body=iter(chunks), headers=self._headers, encode_chunked=True)
            answer = connection.getresponse()
            content = answer.read()
        finally:
            connection.close()
        if answer.status != 200:
            raise TrialError(f"ClickHouse refused a query: {content.decode(errors='replace').strip()}")
        return content
