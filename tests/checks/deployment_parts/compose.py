"""deploy/compose.yaml: its schema, what no schema says, and the Prometheus settings beside it."""

import sys
import tempfile
from pathlib import Path

from deployment_parts import tools

FILE = "deploy/compose.yaml"
# A service that ends needs no health check.
ENDS = {"init"}


def check():
    tools.python("check_jsonschema", "--builtin-schema", "vendor.compose-spec", FILE)
    sys.path.insert(0, str(tools.packages()))
    import yaml

    content = yaml.safe_load((tools.ROOT / FILE).read_text())
    for name, service in content["services"].items():
        for complaint in complaints(name, service, content):
            raise tools.Failed(f"{FILE}: {name}: {complaint}")
    for name, config in content["configs"].items():
        if not (tools.ROOT / "deploy" / config["file"]).is_file():
            raise tools.Failed(f"{FILE}: config {name}: {config['file']} does not exist")
    prometheus()
    return f"compose: {len(content['services'])} services, images pinned, health checked"


def prometheus():
    """Its settings and the rules they name, by Prometheus's own tool."""
    text = (tools.ROOT / "deploy" / "compose" / "prometheus.yml").read_text()
    rules = str(tools.ROOT / "deploy" / "observability")
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "prometheus.yml"
        path.write_text(text.replace("/etc/prometheus/meterline", rules))
        tools.run(["promtool", "check", "config", path])


def complaints(name, service, content):
    image = service["image"]
    if ":" not in image or image.endswith(":latest"):
        yield f"image {image} has no fixed tag"
    health = service.get("healthcheck", {})
    if name not in ENDS and "test" not in health:
        yield "has no health check"
    for secret in service.get("secrets", []):
        if secret not in content["secrets"]:
            yield f"secret {secret} is not declared"
    for needed in service.get("depends_on", {}):
        if needed not in content["services"]:
            yield f"waits for {needed}, which is not there"
    for volume in service.get("volumes", []):
        yield from bad_volume(volume.split(":")[0], content["volumes"])
    for port in service.get("ports", []):
        if not port.startswith("127.0.0.1:"):
            yield f"port {port} is offered to the network"


def bad_volume(source, declared):
    if source.startswith("."):
        if not (tools.ROOT / "deploy" / source).exists():
            yield f"{source} does not exist"
    elif source not in declared:
        yield f"volume {source} is not declared"
