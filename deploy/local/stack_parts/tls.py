"""Certificates of a stack with TLS: an authority of its own, and one certificate for 127.0.0.1.

Refuses nothing and protects nothing: the keys lie beside the data, for tests. Invariant:
they are made once per stack, so clients keep trusting it over restarts.
"""

import subprocess

from stack_parts import cache
from stack_parts.settings import StackError

_DAYS = "3650"
_NAMES = "subjectAltName=IP:127.0.0.1,DNS:localhost"


def make(stack):
    """Makes authority and certificate where they are missing."""
    folder = stack.tls
    if (folder / "server.pem").exists():
        return
    cache.need_tool("openssl", "openssl")
    folder.mkdir(parents=True, exist_ok=True)
    _openssl(folder, "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", _DAYS, "-subj", "/CN=stack authority",
             "-keyout", "ca.key", "-out", "ca.pem")
    _openssl(folder, "req", "-newkey", "rsa:2048", "-nodes", "-subj", "/CN=127.0.0.1", "-keyout", "server.key",
             "-out", "server.csr")
    (folder / "names.cnf").write_text(_NAMES + "\n")
    _openssl(folder, "x509", "-req", "-in", "server.csr", "-CA", "ca.pem", "-CAkey", "ca.key", "-CAcreateserial",
             "-days", _DAYS, "-extfile", "names.cnf", "-out", "server.crt")
    whole = (folder / "server.key").read_text() + (folder / "server.crt").read_text()
    part = folder / "server.part"
    part.write_text(whole)
    part.rename(folder / "server.pem")


def _openssl(folder, *arguments):
    done = subprocess.run(["openssl", *arguments], cwd=folder, capture_output=True, text=True)
    if done.returncode:
        raise StackError(f"openssl {arguments[0]} failed: {done.stderr.strip()[-400:]}")
