"""Judges the crates by deny.toml: licences, versions, banned crates, where they come from.

Reads the same keys as cargo-deny does, and refuses a key that it does not know, so that the two
cannot come to mean different things. Advisories are cargo-deny's alone: their database is not in
any package registry.
"""

import os
import tomllib
from collections import defaultdict

from supply_parts import graph, spdx

KNOWN = {
    "graph": {"targets", "all-features"},
    "advisories": {"version", "yanked", "ignore"},
    "licenses": {"version", "confidence-threshold", "allow"},
    "bans": {"multiple-versions", "wildcards", "allow-wildcard-paths", "deny", "skip"},
    "sources": {"unknown-registry", "unknown-git", "allow-registry", "allow-git"},
}


def read():
    """deny.toml."""
    with open(os.path.join(graph.ROOT, "deny.toml"), "rb") as file:
        policy = tomllib.load(file)
    for section, keys in policy.items():
        for key in keys:
            if key not in KNOWN.get(section, ()):
                raise SystemExit(f"supply: deny.toml: {section}.{key} is not known here")
    return policy


def complaints(policy, crates, pinned):
    """What is against the policy, one text each."""
    strangers = [c for c in crates.values() if c.source is not None]
    return [
        *licences(policy["licenses"], strangers),
        *versions(policy["bans"], strangers),
        *banned(policy["bans"], strangers),
        *wildcards(crates.values()),
        *sources(policy["sources"], strangers, pinned),
    ]


def licences(policy, crates):
    allowed = set(policy["allow"])
    for crate in crates:
        if crate.licence is None:
            yield f"{crate.name} {crate.version} states no licence as an SPDX expression"
            continue
        try:
            if spdx.is_allowed(crate.licence, allowed):
                continue
            yield f"{crate.name} {crate.version} is {crate.licence}, which deny.toml does not allow"
        except spdx.Unreadable as error:
            yield f"{crate.name} {crate.version}: licence `{crate.licence}`: {error}"


def versions(policy, crates):
    skipped = {tuple(entry["crate"].split("@")) for entry in policy["skip"]}
    for entry in policy["skip"]:
        if "@" not in entry["crate"] or not entry.get("reason"):
            yield f"deny.toml: skip {entry['crate']} needs one version and a reason"
    present = defaultdict(set)
    for crate in crates:
        present[crate.name].add(crate.version)
    for name, found in sorted(present.items()):
        left = [v for v in sorted(found) if (name, v) not in skipped]
        if len(left) > 1:
            yield f"{name} is there in versions {', '.join(left)}: `cargo tree -i {name}@{left[0]}`"


def spare(policy, crates):
    """Entries of `skip` that the crates no longer need, one text each."""
    present = defaultdict(set)
    for crate in crates.values():
        present[crate.name].add(crate.version)
    for entry in policy["skip"]:
        name, _, version = entry["crate"].partition("@")
        if version not in present[name] or len(present[name]) < 2:
            yield f"deny.toml: skip {name}@{version} is no longer needed"


def banned(policy, crates):
    reasons = {entry["crate"]: entry["reason"] for entry in policy["deny"]}
    for crate in crates:
        if crate.name in reasons:
            yield f"{crate.name} {crate.version} is banned: {reasons[crate.name]}"


def wildcards(crates):
    for crate in crates:
        if crate.source is not None:
            continue
        for name, requirement, path in crate.requirements:
            if requirement == "*" and path is None:
                yield f"{crate.name} takes any version of {name}"


def sources(policy, crates, pinned):
    allowed = {f"registry+{url}" for url in policy["allow-registry"]}
    for crate in crates:
        if crate.source not in allowed:
            yield f"{crate.name} {crate.version} comes from {crate.source}"
        elif (crate.name, crate.version) not in pinned:
            yield f"{crate.name} {crate.version} has no checksum in Cargo.lock"
