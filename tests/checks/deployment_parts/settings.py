"""Settings files in deploy/: each must be right for the program as it is."""

import tempfile
from pathlib import Path

from deployment_parts import tools

FILES = ["deploy/compose/meterline.toml", "deploy/kubernetes/example/meterline.toml"]
# Where containers find secrets; here stand-ins take their place.
SECRETS = ["/run/secrets/meterline", "/run/secrets"]
NAMES = [
    "kafka-password", "clickhouse-password", "clickhouse_password", "ca.pem", "signing-key", "signing_key",
    "smtp-password",
]  # fmt: skip


def check():
    for name in FILES:
        text = (tools.ROOT / name).read_text()
        with tempfile.TemporaryDirectory() as folder:
            for secret in NAMES:
                (Path(folder) / secret).write_text(stand_in(secret))
            for place in SECRETS:
                text = text.replace(place, folder)
            path = Path(folder) / "meterline.toml"
            path.write_text(text)
            try:
                tools.run([tools.METERLINE, "--config", path, "config", "check"])
            except tools.Failed as failed:
                raise tools.Failed(f"{name}: {failed}") from failed
    return f"settings: {len(FILES)} files accepted by `meterline config check`"


def stand_in(secret):
    if not secret.endswith(".pem"):
        return "not-a-secret-yet-long-enough-to-sign-with\n"
    return Path("/etc/ssl/certs/ca-certificates.crt").read_text()
