"""Writes what the `meterline` command is made of as CycloneDX 1.6 JSON.

Components are the crates linked into the program on one target; crates that only build it
(procedural macros, build scripts) are listed with scope `excluded`. The same sources give the
same bytes: no clock, no random number. Not in it: the C libraries that the system provides
(`tests/checks/libraries.txt`) and those inside crates, whose version is the crate's own suffix
(`rdkafka-sys 4.10.0+2.12.1` holds librdkafka 2.12.1).
Format: https://cyclonedx.org/docs/1.6/json/
"""

import json
import uuid

from supply_parts import graph, spdx

COMMAND = "meterline-cli"
# What a serial number is made from, beside the content: any fixed value does.
NAMESPACE = uuid.uuid5(uuid.NAMESPACE_URL, "https://cyclonedx.org/meterline")


def document(crates, edges, target):
    """The document as plain values."""
    linked = graph.built_for(target, COMMAND, "normal,no-proc-macro")
    involved = graph.built_for(target, COMMAND, "normal,build")
    pinned = graph.checksums()
    root = next(c for c in crates.values() if c.name == COMMAND)
    listed = sorted(
        (c for c in crates.values() if (c.name, c.version) in involved and c.key != root.key),
        key=lambda crate: (crate.name, crate.version),
    )
    known = {c.key: purl(c) for c in [root, *listed]}
    content = {
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "version": 1,
        "metadata": {
            "component": component(root, pinned) | {"type": "application"},
            "properties": [{"name": "cargo:target", "value": target}],
        },
        "components": [
            component(c, pinned)
            | {"scope": "required" if (c.name, c.version) in linked else "excluded"}
            for c in listed
        ],
        "dependencies": [
            {"ref": known[key], "dependsOn": sorted(known[k] for k in edges[key] if k in known)}
            for key in known
        ],
    }
    serial = uuid.uuid5(NAMESPACE, json.dumps(content, sort_keys=True))
    return {"serialNumber": f"urn:uuid:{serial}"} | content


def component(crate, pinned):
    """One crate."""
    entry = {
        "type": "library",
        "bom-ref": purl(crate),
        "name": crate.name,
        "version": crate.version,
        "licenses": [{"expression": spdx.normal(crate.licence)}],
        "purl": purl(crate),
    }
    if crate.description:
        entry["description"] = " ".join(crate.description.split())
    checksum = pinned.get((crate.name, crate.version))
    if checksum:
        entry["hashes"] = [{"alg": "SHA-256", "content": checksum}]
    if crate.repository:
        entry["externalReferences"] = [{"type": "vcs", "url": crate.repository}]
    return entry


def purl(crate):
    """Package URL: https://github.com/package-url/purl-spec"""
    # A plus sign has to be encoded in a version.
    return f"pkg:cargo/{crate.name}@{crate.version.replace('+', '%2B')}"
