"""A mail server for tests: aiosmtpd, which keeps every e-mail as a JSON file.

Two ports: one that takes nothing before STARTTLS and a user's name and password, and one that knows no
TLS and asks for nobody. It refuses mailboxes by their names: `nobody@` with 550 for ever, `later@` with
451, `broken@` with 554 once it has the message. Invariant: a file is whole or absent.
"""

import argparse
import email
import email.policy
import json
import os
import signal
import ssl
import threading

from aiosmtpd.controller import Controller
from aiosmtpd.smtp import AuthResult, LoginPassword

REFUSALS = {"nobody": "550 5.1.1 no such mailbox", "later": "451 4.3.0 try again later"}


class Mailbox:
    """Keeps what arrives."""

    def __init__(self, folder):
        self.folder = folder
        self.count = len(os.listdir(folder))
        self.lock = threading.Lock()

    async def handle_RCPT(self, _server, _session, envelope, address, _options):  # noqa: N802
        refusal = REFUSALS.get(address.partition("@")[0])
        if refusal:
            return refusal
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, _server, session, envelope):  # noqa: N802
        if any(address.startswith("broken@") for address in envelope.rcpt_tos):
            return "554 5.6.0 not taken"
        message = email.message_from_bytes(envelope.content, policy=email.policy.default)
        login = session.auth_data if session.authenticated else None
        self._keep({
            "from": envelope.mail_from,
            "to": envelope.rcpt_tos,
            "tls": session.ssl is not None,
            "user": login.login.decode() if login else None,
            "headers": [[name, str(value)] for name, value in message.items()],
            "text": message.get_content(),
        })
        return "250 OK"

    def _keep(self, mail):
        with self.lock:
            self.count += 1
            path = os.path.join(self.folder, f"{self.count:06}.json")
            with open(path + ".part", "w") as file:
                json.dump(mail, file)
            os.rename(path + ".part", path)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--plain-port", type=int, required=True)
    parser.add_argument("--certificate", required=True, help="key and certificates in PEM")
    parser.add_argument("--folder", required=True, help="where e-mails are kept")
    parser.add_argument("--user", required=True)
    parser.add_argument("--password", required=True)
    args = parser.parse_args()

    def authenticate(_server, _session, _envelope, _mechanism, login):
        known = (args.user.encode(), args.password.encode())
        is_known = isinstance(login, LoginPassword) and (login.login, login.password) == known
        # Not handled: the server itself says 535 to who is not known.
        return AuthResult(success=is_known, handled=is_known, auth_data=login)

    tls = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    tls.load_cert_chain(args.certificate)
    mailbox = Mailbox(args.folder)
    servers = [
        Controller(mailbox, hostname="127.0.0.1", port=args.port, tls_context=tls, require_starttls=True,
                   authenticator=authenticate, auth_required=True, auth_require_tls=True),
        Controller(mailbox, hostname="127.0.0.1", port=args.plain_port),
    ]
    for server in servers:
        server.start()
    signal.sigwait({signal.SIGTERM, signal.SIGINT})


if __name__ == "__main__":
    # Before any thread begins: all inherit it.
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM, signal.SIGINT})
    main()
