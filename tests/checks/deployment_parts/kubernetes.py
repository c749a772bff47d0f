"""deploy/kubernetes: schemas of Kubernetes, and the rules that the manifests promise to keep."""

import os
import shutil
import sys
import tempfile
from pathlib import Path

from deployment_parts import tools

# The oldest release that the manifests are for, and a recent one.
VERSIONS = ["1.31.0", "1.35.0"]
WORKLOADS = {"StatefulSet", "Deployment", "Job"}
# How long a worker drains by default (rollup.stop_timeout), in seconds.
STOP_TIMEOUT = 30


def check():
    program = tools.kustomize()
    if program is None:
        return "kubernetes: NOT checked: neither kustomize nor a Go that builds it is here"
    with tempfile.TemporaryDirectory(dir=tools.ROOT / "target") as folder:
        rendered = Path(folder) / "rendered.yaml"
        rendered.write_text(render(program, Path(folder)))
        for version in VERSIONS:
            tools.python("kubernetes_validate", "--strict", "--quiet", "-k", version, rendered)
        objects = read(rendered)
    for one in objects:
        for complaint in complaints(one, objects):
            name = one["metadata"]["name"]
            raise tools.Failed(f"kubernetes: {one['kind']} {name}: {complaint}")
    return f"kubernetes: {len(objects)} objects valid for {' and '.join(VERSIONS)}"


def render(program, folder):
    """The example with billing; with monitoring it must render too, though its kind has no schema here."""
    if "kind: PodMonitor" not in with_components(program, folder / "monitored", ["stripe", "monitoring"]):
        raise tools.Failed("kubernetes: the monitoring component adds no PodMonitor")
    return with_components(program, folder / "mine", ["stripe"])


def with_components(program, mine, components):
    """A copy of the example, as an installation makes it."""
    kubernetes = tools.ROOT / "deploy" / "kubernetes"
    shutil.copytree(kubernetes / "example", mine)
    up = os.path.relpath(kubernetes, mine)
    settings = mine / "kustomization.yaml"
    text = settings.read_text().replace("../base", f"{up}/base")
    named = ", ".join(f"{up}/{name}" for name in components)
    settings.write_text(f"{text}components: [{named}]\n")
    return tools.run([program, "build", mine])


def read(path):
    sys.path.insert(0, str(tools.packages()))
    import yaml

    return list(yaml.safe_load_all(path.read_text()))


def complaints(one, objects):
    kind, spec = one["kind"], one.get("spec", {})
    if kind in WORKLOADS:
        yield from bad_pod(kind, spec["template"]["spec"], objects)
    if kind == "PodDisruptionBudget" and not pods_of(spec["selector"], objects):
        yield "selects no pods"
    if kind == "Service":
        yield from bad_service(spec, objects)
    if kind == "NetworkPolicy":
        chosen = pods_of(spec["podSelector"], objects)
        every = sum(other["kind"] in WORKLOADS for other in objects)
        if len(chosen) != every:
            yield f"covers {len(chosen)} of {every} workloads"


def bad_service(spec, objects):
    pods = pods_of({"matchLabels": spec["selector"]}, objects)
    containers = [one for pod in pods for one in pod["spec"]["containers"]]
    offered = {port["name"] for one in containers for port in one.get("ports", [])}
    for port in spec["ports"]:
        if port["targetPort"] not in offered:
            yield f"no pod that it selects has a port {port['targetPort']}"


def pods_of(selector, objects):
    wanted = selector["matchLabels"].items()
    templates = [o["spec"]["template"] for o in objects if o["kind"] in WORKLOADS]
    return [t for t in templates if wanted <= t["metadata"]["labels"].items()]


def bad_pod(kind, pod, objects):
    named = {(o["kind"], o["metadata"]["name"]) for o in objects}
    security = pod["securityContext"]
    if not security["runAsNonRoot"] or security["seccompProfile"]["type"] != "RuntimeDefault":
        yield "may run as root or without a seccomp profile"
    if pod["automountServiceAccountToken"]:
        yield "carries a token"
    if ("ServiceAccount", pod["serviceAccountName"]) not in named:
        yield f"service account {pod['serviceAccountName']} is not there"
    for volume in pod["volumes"]:
        settings = volume.get("configMap")
        if settings and ("ConfigMap", settings["name"]) not in named:
            yield f"config map {settings['name']} is not there"
    if kind != "Job" and pod["terminationGracePeriodSeconds"] < 2 * STOP_TIMEOUT:
        yield "is killed before it has drained"
    for container in pod["containers"]:
        yield from bad_container(kind, container)


def bad_container(kind, container):
    security = container["securityContext"]
    if not security["readOnlyRootFilesystem"] or security["allowPrivilegeEscalation"]:
        yield "may write its root file system or gain privileges"
    if security["capabilities"]["drop"] != ["ALL"]:
        yield "keeps capabilities"
    if ":" not in container["image"].rsplit("/", 1)[-1] or container["image"].endswith(":latest"):
        yield f"image {container['image']} has no fixed tag"
    if "memory" not in container["resources"]["limits"]:
        yield "has no limit of memory"
    if kind != "Job":
        for probe in ("startupProbe", "livenessProbe", "readinessProbe"):
            if probe not in container:
                yield f"has no {probe}"
