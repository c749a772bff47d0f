"""Tests of the ClickHouse front over the real engine, each on a front of its own kind.

They refuse to sleep: they wait for a condition that the front reports. Invariant: a
test owns its database, and its faults name that database, so tests cannot meet.
"""

import base64
import http.client
import itertools
import json
import os
import signal
import struct
import subprocess
import sys
import tempfile
import threading
import time
import unittest
from pathlib import Path
from urllib.parse import urlencode

from stack_parts import cache

HERE = Path(__file__).resolve().parent
USER, PASSWORD = "tester", "p:w ö"
_numbers = itertools.count()


class FrontProcess:
    """A front on a free port with its own data path."""

    def __init__(self, data):
        self.data = data
        self.process, self.port = None, None

    def start(self):
        environment = {**os.environ, "PYTHONPATH": str(cache.chdb_site()), "METERLINE_FRONT_PASSWORD": PASSWORD}
        command = [sys.executable, str(HERE / "clickhouse_front.py"), "--data", self.data, "--port", "0",
                   "--user", USER, "--faults", "--memory-mib", "2048"]
        self.process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True, env=environment)
        self.port = int(self.process.stderr.readline().rpartition(":")[2])
        self.log = threading.Thread(target=self.process.stderr.read)  # so that the pipe is never full
        self.log.start()
        return self

    def stop(self, number=signal.SIGTERM):
        self.process.send_signal(number)
        self.process.wait(30)
        self.log.join()
        self.process.stderr.close()
        return self.process.returncode

    def request(self, method, path, body=None, headers=None, user=USER, password=PASSWORD):
        """(status, headers, body); a chunked body is given as an iterable of bytes."""
        link = http.client.HTTPConnection("127.0.0.1", self.port, timeout=50)
        token = base64.b64encode(f"{user}:{password}".encode()).decode()
        own = {"Authorization": f"Basic {token}"} if user is not None else {}
        try:
            link.request(method, path, body, {**own, **(headers or {})})
            answer = link.getresponse()
            return answer.status, answer.headers, answer.read()
        finally:
            link.close()

    def query(self, sql, body=None, **parameters):
        """The answer of a statement; raises with the error's text."""
        if body is None:
            parameters, body = parameters, sql.encode()
        else:
            parameters = {**parameters, "query": sql}
        status, _, text = self.request("POST", "/?" + urlencode(parameters), body)
        if status != 200:
            raise AssertionError(f"{status} {text.decode()}")
        return text.decode()

    def fault(self, **rule):
        status, _, text = self.request("POST", "/__faults", json.dumps(rule).encode())
        assert status == 200, text
        return json.loads(text)["id"]

    def fault_when(self, rule_id, **wanted):
        """The rule once it was hit, or holds, that often."""
        path = f"/__faults/{rule_id}?" + urlencode({"timeout": 30, **wanted})
        status, _, text = self.request("GET", path)
        assert status == 200, text
        return json.loads(text)


class FrontTest(unittest.TestCase):
    """Shares one front among the tests of a class."""

    @classmethod
    def setUpClass(cls):
        cls.folder = tempfile.TemporaryDirectory()
        cls.front = FrontProcess(cls.folder.name).start()

    @classmethod
    def tearDownClass(cls):
        cls.front.stop()
        cls.folder.cleanup()

    def setUp(self):
        self.database = f"db{next(_numbers)}"
        self.front.query(f"CREATE DATABASE {self.database}")
        self.query("CREATE TABLE t (x UInt64, s String DEFAULT 'none') ENGINE = MergeTree ORDER BY x")

    def query(self, sql, body=None, **parameters):
        return self.front.query(sql, body, database=self.database, **parameters)

    def error(self, sql, body=None, **parameters):
        """(status, code header, text) of a statement that must fail."""
        path = "/?" + urlencode({"database": self.database, "query": sql, **parameters})
        status, headers, text = self.front.request("POST", path, body or b"")
        self.assertNotEqual(status, 200, text)
        return status, headers["X-ClickHouse-Exception-Code"], text.decode()


class Requests(FrontTest):
    def test_ping_needs_no_user(self):
        self.assertEqual(self.front.request("GET", "/ping", user=None)[::2], (200, b"Ok.\n"))

    def test_user_and_password_by_header_url_and_basic(self):
        key = {"X-ClickHouse-User": USER, "X-ClickHouse-Key": PASSWORD.encode("utf-8")}
        ways = [("/?", key, None), ("/?" + urlencode({"user": USER, "password": PASSWORD}), {}, None), ("/?", {}, USER)]
        for path, headers, user in ways:
            self.assertEqual(self.front.request("POST", path, b"SELECT 1", headers, user)[::2], (200, b"1\n"))

    def test_wrong_password_is_516(self):
        for headers in ({"X-ClickHouse-User": USER, "X-ClickHouse-Key": "no"}, {}):
            status, answer, text = self.front.request("POST", "/", b"SELECT 1", headers, user=None)
            self.assertEqual((status, answer["X-ClickHouse-Exception-Code"]), (403, "516"), text)

    def test_settings_are_applied_and_forgotten(self):
        self.assertEqual(self.query("SELECT getSetting('max_block_size')", max_block_size=77), "77\n")
        self.assertNotEqual(self.query("SELECT getSetting('max_block_size')"), "77\n")
        self.assertEqual(self.query("SELECT 1 AS x FORMAT JSONEachRow", output_format_json_quote_64bit_integers=1), '{"x":1}\n')
        self.assertEqual(self.error("SELECT 1", no_such_setting=1)[:2], (404, "115"))

    def test_readonly_refuses_inserts(self):
        self.assertEqual(self.query("SELECT 1", readonly=1), "1\n")
        self.assertEqual(self.error("INSERT INTO t FORMAT TSV", b"1\ta\n", readonly=1)[1], "164")
        path = "/?" + urlencode({"database": self.database, "query": "INSERT INTO t VALUES (1,'a')"})
        self.assertEqual(self.front.request("GET", path)[1]["X-ClickHouse-Exception-Code"], "164")

    def test_bound_parameters(self):
        sql = "SELECT {s:String}, {n:UInt64} + 1, {a:Array(String)}"
        answer = self.query(sql, param_s="it's\\t; 1", param_n=41, param_a="['x','y']")
        self.assertEqual(answer, "it\\'s\\t; 1\t42\t['x','y']\n")
        self.assertEqual(self.error("SELECT {n:UInt64}", param_n="x")[1], "457")

    def test_parameters_in_a_form(self):
        parts = {"query": "SELECT {a:String} AS a FORMAT JSONEachRow", "param_a": "é\\n\"'"}
        body = "".join(f'--B\r\nContent-Disposition: form-data; name="{n}"\r\n\r\n{v}\r\n' for n, v in parts.items())
        headers = {"Content-Type": "multipart/form-data; boundary=B"}
        status, _, text = self.front.request("POST", "/", f"{body}--B--\r\n".encode(), headers)
        self.assertEqual((status, json.loads(text)), (200, {"a": "é\n\"'"}))

    def test_errors_have_the_servers_status_and_code(self):
        cases = [("SELECT * FROM nope", 404, "60"), ("SELEC 1", 400, "62"), ("SELECT nope", 404, "47"),
                 ("SELECT 1; SELECT 2", 400, "62"), ("SELECT 1 INTO OUTFILE 'x'", 501, "48"),
                 ("INSERT INTO t FROM INFILE 'x' FORMAT CSV", 501, "48"), ("", 400, "62"),
                 ("SELECT throwIf(1)", 500, "395"), ("SELECT 1 FORMAT Nope", 404, "73")]
        for sql, status, code in cases:
            got = self.error(sql)
            self.assertEqual(got[:2], (status, code), f"{sql}: {got}")
            self.assertRegex(got[2], rf"(?s)^Code: {code}\. DB::Exception: .* \([A-Z_]+\) \(version [\d.]+ ")

    def test_compression_and_sessions_are_refused(self):
        for name in ("compress", "decompress", "session_id"):
            self.assertEqual(self.error("SELECT 1", **{name: 1})[:2], (501, "48"))
        headers = {"Content-Encoding": "gzip"}
        self.assertEqual(self.front.request("POST", "/", b"SELECT 1", headers)[0], 501)

    def test_strings_and_comments_are_not_keywords(self):
        self.query("INSERT INTO t (x, s) SETTINGS max_threads = 1 VALUES (1, 'a; FORMAT CSV')")
        self.query("CREATE TABLE settings (format String) ENGINE = Memory")
        self.query("INSERT INTO settings (format) FORMAT TSV", b"z\n")
        cases = [("SELECT s FROM t -- FORMAT JSON", "a; FORMAT CSV\n"), ("SELECT format FROM settings;", "z\n"),
                 ("SELECT ';' /* ; */ FORMAT CSV SETTINGS max_threads = 1;", '";"\n'),
                 ("(SELECT 1) UNION ALL (SELECT 1)", "1\n1\n"), ("WITH 3 AS q SELECT q", "3\n")]
        for sql, answer in cases:
            self.assertEqual(self.query(sql), answer, sql)


class Rows(FrontTest):
    def test_every_format_comes_back_as_it_went_in(self):
        self.query("INSERT INTO t SELECT number, concat('s', toString(number)) FROM numbers(1000)")
        for name in ("RowBinary", "RowBinaryWithNamesAndTypes", "JSONEachRow", "CSV", "TSV", "Parquet", "Native"):
            path = "/?" + urlencode({"database": self.database, "default_format": name})
            status, headers, rows = self.front.request("POST", path, b"SELECT x, s FROM t ORDER BY x")
            self.assertEqual((status, headers["X-ClickHouse-Format"]), (200, name))
            self.query(f"CREATE TABLE c{name} AS t")
            pieces = (rows[at : at + 777] for at in range(0, len(rows), 777))
            self.query(f"INSERT INTO c{name} (x, s) FORMAT {name}", pieces)
            same = f"SELECT count(), sum(x), min(s) = 's0', max(s) FROM c{name}"
            self.assertEqual(self.query(same), "1000\t499500\t1\ts999\n", name)

    def test_statement_and_rows_in_one_body(self):
        rows = struct.pack("<QB", 7, 0) + struct.pack("<QB2s", 8, 2, b"\n;")
        path = "/?" + urlencode({"database": self.database})
        status, headers, text = self.front.request("POST", path, b"INSERT INTO t FORMAT RowBinary\n" + rows)
        self.assertEqual((status, text), (200, b""))
        self.assertEqual(json.loads(headers["X-ClickHouse-Summary"])["written_rows"], "2")
        self.assertEqual(self.query("SELECT x, s FROM t ORDER BY x"), "7\t\n8\t\\n;\n")

    def test_omitted_columns_get_their_default(self):
        self.query("INSERT INTO t FORMAT JSONEachRow", b'{"x":1}')
        self.assertEqual(self.query("SELECT * FROM t"), "1\tnone\n")

    def test_bad_rows_write_nothing(self):
        self.assertEqual(self.error("INSERT INTO t FORMAT RowBinary", struct.pack("<QB", 7, 9))[1], "33")
        self.assertEqual(self.error("INSERT INTO t FORMAT TSV", b"1\ta\nx\tb\n")[:2], (400, "27"))
        self.assertEqual(self.query("SELECT count() FROM t"), "0\n")

    def test_a_body_cut_by_the_client_writes_nothing(self):
        link = http.client.HTTPConnection("127.0.0.1", self.front.port)
        token = base64.b64encode(f"{USER}:{PASSWORD}".encode()).decode()
        link.putrequest("POST", "/?" + urlencode({"database": self.database, "query": "INSERT INTO t FORMAT TSV"}))
        link.putheader("Authorization", f"Basic {token}")
        link.putheader("Transfer-Encoding", "chunked")
        link.endheaders()
        link.send(b"4\r\n1\ta\n\r\n")
        link.sock.shutdown(1)
        self.assertEqual(link.sock.recv(100), b"")  # closed without an answer
        link.close()
        self.assertEqual(self.query("SELECT count() FROM t"), "0\n")

    def test_a_big_answer_is_streamed_and_an_early_end_is_noticed(self):
        path = "/?" + urlencode({"query": "SELECT number, repeat('x', 100) FROM numbers(3000000) FORMAT RowBinary"})
        status, headers, text = self.front.request("POST", path, b"")
        self.assertEqual((status, headers["Transfer-Encoding"], len(text)), (200, "chunked", 3000000 * 109))
        self.assertLess(self._resident_mib(), 1500)
        path = "/?" + urlencode({"query": "SELECT throwIf(number = 4999999) FROM numbers(5000000)"})
        with self.assertRaises(http.client.IncompleteRead) as late:
            self.front.request("POST", path, b"")
        self.assertRegex(late.exception.partial[-400:], rb"__exception__\r\n\w{16}\r\nCode: 395[^\r]*\r\n__exception__\r\n$")

    def _resident_mib(self):
        status = Path(f"/proc/{self.front.process.pid}/status").read_text()
        return int(status.partition("VmRSS:")[2].split()[0]) >> 10

    def test_databases_do_not_mix_and_reads_run_beside_inserts(self):
        other = f"{self.database}_other"
        self.front.query(f"CREATE DATABASE {other}")
        self.front.query("CREATE TABLE t (x UInt64, s String) ENGINE = MergeTree ORDER BY x", database=other)
        failures = []

        def work(database, value):
            try:
                for _ in range(25):
                    self.front.query("INSERT INTO t (x) FORMAT TSV", f"{value}\n".encode() * 100, database=database)
                    seen = self.front.query("SELECT currentDatabase(), uniqExact(x), any(x) FROM t", database=database)
                    if seen != f"{database}\t1\t{value}\n":
                        failures.append(seen)
            except Exception as error:  # a thread's failure must reach the test
                failures.append(error)

        threads = [threading.Thread(target=work, args=pair) for pair in [(self.database, 1), (other, 2)] * 3]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        self.assertEqual(failures, [])
        self.assertEqual(self.query("SELECT count() FROM t"), "7500\n")


class Faults(FrontTest):
    def fault(self, **rule):
        return self.front.fault(database=self.database, **rule)

    def test_lose_answer_commits(self):
        self.fault(match="^INSERT INTO t", kind="lose_answer", times=1)
        with self.assertRaises(http.client.RemoteDisconnected):
            self.query("INSERT INTO t FORMAT TSV", b"1\ta\n")
        self.assertEqual(self.query("SELECT count() FROM t"), "1\n")
        self.query("INSERT INTO t FORMAT TSV", b"2\ta\n")

    def test_hold_lasts_until_the_rule_is_removed(self):
        rule = self.fault(match="INSERT", kind="hold", times=1)
        held = threading.Thread(target=self.query, args=("INSERT INTO t FORMAT TSV", b"1\ta\n"))
        held.start()
        self.assertEqual(self.front.fault_when(rule, held=1)["held"], 1)
        self.assertEqual(self.query("SELECT count() FROM t"), "0\n")
        self.assertEqual(self.front.request("DELETE", f"/__faults/{rule}")[0], 200)
        held.join()
        self.assertEqual(self.query("SELECT count() FROM t"), "1\n")

    def test_a_held_insert_happens_though_its_client_is_gone(self):
        rule = self.fault(match="INSERT", kind="hold", times=1)
        link = http.client.HTTPConnection("127.0.0.1", self.front.port)
        token = base64.b64encode(f"{USER}:{PASSWORD}".encode()).decode()
        path = "/?" + urlencode({"database": self.database, "query": "INSERT INTO t FORMAT TSV"})
        link.request("POST", path, b"1\ta\n", {"Authorization": f"Basic {token}"})
        self.front.fault_when(rule, held=1)
        link.close()
        self.front.request("DELETE", f"/__faults/{rule}")
        while self.query("SELECT count() FROM t") != "1\n":
            pass  # nobody is answered, so there is nothing to wait for but the row

    def test_fail_executes_nothing(self):
        self.fault(match="INSERT", kind="fail", times=2, status=503, code=319, name="UNKNOWN_STATUS_OF_INSERT")
        for _ in range(2):
            self.assertEqual(self.error("INSERT INTO t FORMAT TSV", b"1\ta\n")[:2], (503, "319"))
        self.query("INSERT INTO t FORMAT TSV", b"2\ta\n")
        self.assertEqual(self.query("SELECT x FROM t"), "2\n")

    def test_cut_sends_half(self):
        self.fault(match="numbers", kind="cut")
        with self.assertRaises(http.client.IncompleteRead) as cut:
            self.query("SELECT number FROM numbers(100)")
        self.assertEqual(len(cut.exception.partial), 290 // 2)

    def test_delay_comes_before_the_statement(self):
        rule = self.fault(match="INSERT", kind="delay", seconds=3600, times=1)
        late = threading.Thread(target=self.query, args=("INSERT INTO t FORMAT TSV", b"1\ta\n"))
        late.start()
        self.front.fault_when(rule, held=1)
        self.assertEqual(self.query("SELECT count() FROM t"), "0\n")
        self.front.request("DELETE", f"/__faults/{rule}")
        late.join()
        self.fault(match="SELECT 1", kind="delay", seconds=0.1, times=1)
        begun = time.monotonic()
        self.assertEqual(self.query("SELECT 1"), "1\n")
        self.assertGreaterEqual(time.monotonic() - begun, 0.1)

    def test_skip_and_probability_are_repeatable(self):
        runs = []
        for _ in range(2):
            rule = self.fault(match="SELECT 5", kind="fail", skip=3, probability=0.5, seed=7)
            path = "/?" + urlencode({"database": self.database})
            runs.append([self.front.request("POST", path, b"SELECT 5")[0] for _ in range(20)])
            self.front.request("DELETE", f"/__faults/{rule}")
        self.assertEqual(runs[0], runs[1])
        self.assertEqual(runs[0][:3], [200] * 3)
        self.assertEqual(set(runs[0]), {200, 500})

    def test_bad_rules_are_refused(self):
        for rule in ({"kind": "fail"}, {"match": "(", "kind": "fail"}, {"match": "", "kind": "x"}, {"match": "", "kind": "cut", "tmies": 1}):
            self.assertEqual(self.front.request("POST", "/__faults", json.dumps(rule).encode())[0], 400, rule)


class Crashes(unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.TemporaryDirectory()
        self.addCleanup(self.folder.cleanup)
        self.front = FrontProcess(self.folder.name).start()
        self.front.query("CREATE TABLE t (x UInt64) ENGINE = MergeTree ORDER BY x")

    def test_kill_9_keeps_every_acknowledged_row(self):
        acknowledged = []

        def insert():
            for value in range(10_000):
                try:
                    self.front.query("INSERT INTO t FORMAT TSV", f"{value}\n".encode() * 10)
                except (OSError, http.client.HTTPException):
                    return
                acknowledged.append(value)
                enough.set() if value == 50 else None

        enough = threading.Event()
        writer = threading.Thread(target=insert)
        writer.start()
        enough.wait(30)
        self.front.stop(signal.SIGKILL)
        writer.join()
        self.front.start()
        kept = [line.split() for line in self.front.query("SELECT x, count() FROM t GROUP BY x").splitlines()]
        self.assertLessEqual(set(acknowledged), {int(x) for x, _ in kept})
        self.assertEqual({count for _, count in kept}, {"10"})  # and no insert is there in part
        self.assertEqual(self.front.stop(), 0)

    def test_a_second_front_on_the_same_data_is_refused(self):
        command = [sys.executable, str(HERE / "clickhouse_front.py"), "--data", self.folder.name, "--port", "0"]
        second = subprocess.run(command, capture_output=True, text=True, timeout=30)
        self.assertEqual(second.returncode, 1)
        self.assertIn("open", second.stderr)
        self.front.stop()


if __name__ == "__main__":
    unittest.main()
