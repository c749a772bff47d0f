"""Reads the crates of the workspace from cargo: nothing is downloaded that a build would not."""

import json
import os
import subprocess
import tomllib
from dataclasses import dataclass

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__)))))
CARGO = os.environ.get("CARGO", "cargo")


@dataclass(frozen=True)
class Crate:
    """One crate in one version."""

    key: str  # cargo's package id
    name: str
    version: str
    licence: str | None
    source: str | None  # None: one of ours
    repository: str | None
    description: str | None
    requirements: tuple  # (crate, requirement, path) of what it asks for


def run(*arguments):
    """Standard output of cargo."""
    done = subprocess.run(
        [CARGO, *arguments], cwd=ROOT, check=True, stdout=subprocess.PIPE, text=True
    )
    return done.stdout


def read(targets):
    """Crates by id that are built for the targets, tests included, and who depends on whom.

    `cargo metadata` also names crates behind features that nobody turns on; `cargo tree` resolves
    features as a build does.
    """
    found = json.loads(run("metadata", "--locked", "--quiet", "--format-version", "1"))
    built = set().union(*(built_for(target) for target in targets))
    crates = {c.key: c for c in map(crate, found["packages"]) if (c.name, c.version) in built}
    nodes = (node for node in found["resolve"]["nodes"] if node["id"] in crates)
    edges = {n["id"]: sorted(k for k in n["dependencies"] if k in crates) for n in nodes}
    return crates, edges


def crate(package):
    """A crate from cargo's description of it."""
    return Crate(
        key=package["id"],
        name=package["name"],
        version=package["version"],
        licence=package["license"],
        source=package["source"],
        repository=package["repository"],
        description=package["description"],
        requirements=tuple((d["name"], d["req"], d.get("path")) for d in package["dependencies"]),
    )


def built_for(target, package=None, edges="all"):
    """(name, version) of all crates that a build of the package, or of everything, needs."""
    scope = ["--package", package] if package else ["--workspace"]
    printed = run(
        "tree", "--locked", "--quiet", *scope, "--target", target,
        "--edges", edges, "--prefix", "none", "--format", "{p}",
    )  # fmt: skip
    words = (line.split() for line in printed.splitlines() if line.strip())
    return {(word[0], word[1].removeprefix("v")) for word in words}


def checksums():
    """SHA-256 of the crates' files by (name, version), as Cargo.lock pins them."""
    with open(os.path.join(ROOT, "Cargo.lock"), "rb") as file:
        packages = tomllib.load(file)["package"]
    return {(p["name"], p["version"]): p["checksum"] for p in packages if "checksum" in p}
