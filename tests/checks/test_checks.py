#!/usr/bin/env python3
"""Tests of the checks themselves: each must find what it is there for. Part of `make check`."""

import copy
import importlib.machinery
import importlib.util
import os
import sys
import unittest

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))

from deployment_parts import compose, guide, image, kubernetes  # noqa: E402
from supply_parts import policy, spdx  # noqa: E402
from supply_parts.graph import Crate  # noqa: E402



def script(name):
    """A check that is one file, as a module."""
    path = os.path.join(os.path.dirname(os.path.abspath(__file__)), name)
    loader = importlib.machinery.SourceFileLoader(name, path)
    module = importlib.util.module_from_spec(importlib.util.spec_from_loader(name, loader))
    loader.exec_module(module)
    return module


log_texts = script("log_texts")
CRATES_IO = "registry+https://github.com/rust-lang/crates.io-index"


def crate(name, version="1.0.0", licence="MIT", source=CRATES_IO, requirements=()):
    key = f"{name}@{version}"
    return Crate(key, name, version, licence, source, None, None, tuple(requirements))


class Licences(unittest.TestCase):
    def test_an_expression_is_allowed_if_one_branch_can_be_complied_with(self):
        allowed = {"MIT", "Apache-2.0", "Apache-2.0 WITH LLVM-exception", "ISC"}
        for expression, expected in [
            ("MIT", True),
            ("GPL-3.0", False),
            ("MIT OR GPL-3.0", True),
            ("MIT/GPL-3.0", True),
            ("MIT AND GPL-3.0", False),
            ("GPL-3.0 OR MIT AND ISC", True),
            ("(GPL-3.0 OR MIT) AND BSL-1.0", False),
            ("Apache-2.0 WITH LLVM-exception", True),
            ("MIT WITH LLVM-exception", False),
        ]:
            with self.subTest(expression):
                self.assertEqual(spdx.is_allowed(expression, allowed), expected)

    def test_what_cannot_be_read_is_no_permission(self):
        for expression in ["", "MIT OR", "(MIT", "MIT ISC", "MIT; ISC"]:
            with self.subTest(expression), self.assertRaises(spdx.Unreadable):
                spdx.is_allowed(expression, {"MIT", "ISC"})


class Policy(unittest.TestCase):
    RULES = {
        "licenses": {"allow": ["MIT"]},
        "bans": {"deny": [{"crate": "ring", "reason": "one provider"}], "skip": []},
        "sources": {"allow-registry": ["https://github.com/rust-lang/crates.io-index"]},
    }

    def found(self, *crates, pinned=None):
        by_key = {one.key: one for one in crates}
        names = {(one.name, one.version) for one in crates}
        return list(policy.complaints(self.RULES, by_key, names if pinned is None else pinned))

    def test_each_breach_is_named(self):
        self.assertEqual(self.found(crate("good")), [])
        for word, crates in [
            ("GPL-3.0", [crate("bad", licence="GPL-3.0")]),
            ("no licence", [crate("bad", licence=None)]),
            ("versions 1.0.0, 2.0.0", [crate("two"), crate("two", "2.0.0")]),
            ("banned", [crate("ring")]),
            ("any version", [crate("ours", source=None, requirements=[("x", "*", None)])]),
            ("comes from git", [crate("fork", source="git+https://example.com/fork")]),
        ]:
            with self.subTest(word):
                self.assertIn(word, "; ".join(self.found(*crates)))

    def test_a_crate_without_a_checksum_is_named(self):
        self.assertIn("checksum", self.found(crate("loose"), pinned=set())[0])


class BuildContext(unittest.TestCase):
    def test_the_last_rule_that_fits_decides(self):
        rules = image.ignore_rules("*\n!src\n!tests\ntests/data\n**/__pycache__\n# a comment\n")
        for name, expected in [
            ("README.md", True),
            ("src/deep/main.rs", False),
            ("tests/it.rs", False),
            ("tests/data/large.csv", True),
            ("src/deep/__pycache__/x.pyc", True),
        ]:
            with self.subTest(name):
                self.assertEqual(image.is_ignored(name, rules), expected)


class Compose(unittest.TestCase):
    def test_each_weakness_of_a_service_is_named(self):
        good = {"image": "kafka:4.1.0", "healthcheck": {"test": ["CMD", "true"]}}
        content = {"services": {"kafka": good}, "secrets": {}, "volumes": {"kafka": None}}
        self.assertEqual(list(compose.complaints("kafka", good, content)), [])
        for word, change in [
            ("no fixed tag", {"image": "kafka:latest"}),
            ("no health check", {"healthcheck": {}}),
            ("secret", {"secrets": ["other"]}),
            ("waits for", {"depends_on": {"other": {}}}),
            ("volume", {"volumes": ["other:/x"]}),
            ("does not exist", {"volumes": ["./nowhere:/x"]}),
            ("offered to the network", {"ports": ["9092:9092"]}),
        ]:
            with self.subTest(word):
                found = list(compose.complaints("kafka", good | change, content))
                self.assertIn(word, "; ".join(found))


class Kubernetes(unittest.TestCase):
    def test_each_weakness_of_a_container_is_named(self):
        probe = {"httpGet": {"path": "/health/live", "port": "http"}}
        good = {
            "image": "registry.example.com/meterline:0.1.0",
            "resources": {"limits": {"memory": "1Gi"}},
            "securityContext": {
                "readOnlyRootFilesystem": True,
                "allowPrivilegeEscalation": False,
                "capabilities": {"drop": ["ALL"]},
            },
            "startupProbe": probe,
            "livenessProbe": probe,
            "readinessProbe": probe,
        }
        self.assertEqual(list(kubernetes.bad_container("Deployment", good)), [])
        for word, path, value in [
            ("root file system", ["securityContext", "readOnlyRootFilesystem"], False),
            ("capabilities", ["securityContext", "capabilities"], {"drop": []}),
            ("no fixed tag", ["image"], "registry.example.com:5000/meterline"),
            ("memory", ["resources", "limits"], {"cpu": "1"}),
        ]:
            with self.subTest(word):
                bad = copy.deepcopy(good)
                place = bad
                for key in path[:-1]:
                    place = place[key]
                place[path[-1]] = value
                found = list(kubernetes.bad_container("Deployment", bad))
                self.assertIn(word, "; ".join(found))

    def test_a_service_reaches_a_port_of_its_pods(self):
        port = {"name": "api", "containerPort": 8420}
        pod = {"metadata": {"labels": {"part": "api"}}, "spec": {"containers": [{"ports": [port]}]}}
        workloads = [{"kind": "Deployment", "spec": {"template": pod}}]
        for part, target, complaints in [("api", "api", 0), ("api", "http", 1), ("rollup", "api", 1)]:
            with self.subTest(part=part, target=target):
                spec = {"selector": {"part": part}, "ports": [{"port": 8420, "targetPort": target}]}
                self.assertEqual(len(list(kubernetes.bad_service(spec, workloads))), complaints)


class Guide(unittest.TestCase):
    def setUp(self):
        options = "Options:\n      --yes  Do it\n"
        guide.KNOWN.clear()
        guide.KNOWN[()] = "x\nCommands:\n  verify  Compare\n  catalog  All of it\n\n" + options
        guide.KNOWN[("verify",)] = options
        guide.KNOWN[("catalog",)] = "x\nCommands:\n  show  Print\n\n" + options
        guide.KNOWN[("catalog", "show")] = options

    def test_commands_and_options_that_are_not_there_are_named(self):
        for line, expected in [
            ("meterline verify --yes", None),
            ("meterline catalog show file.yaml | less --chop", None),
            ("meterline veryfy", "no command veryfy"),
            ("meterline verify --no", "no option --no"),
            ("meterline catalog", "needs a command"),
        ]:
            with self.subTest(line):
                found = guide.bad_command(line)
                self.assertEqual(found is None, expected is None, found)
                self.assertIn(expected or "", found or "")

    def test_commands_are_found_in_indented_blocks_and_containers(self):
        text = "  ```sh\n  kubectl exec x -- meterline --config /m.toml \\\n    verify --yes\n  ```\n"
        self.assertEqual(list(guide.lines(text)), ["meterline verify --yes"])


class LogTexts(unittest.TestCase):
    SOURCE = """
    fn f() {
        tracing::warn!(partition, %error, what = name(a, "x, y"), "failed, going on");
        tracing::debug!(secret, "for developers");
        // tracing::warn!("in a comment");
    }
    #[cfg(test)]
    mod tests {
        fn g() { tracing::error!("of a test"); }
    }
    """
    LIST = """
| field | type | meaning |
|---|---|---|
| `partition`, `error` | text | |
| `what` | text | |

| message | level | meaning |
|---|---|---|
| `failed, going on` | WARN | |
"""

    def found(self, source, document):
        return "; ".join(log_texts.complaints({"a.rs": source}, document))

    def test_what_is_listed_as_it_is_told_is_fine(self):
        self.assertEqual(self.found(self.SOURCE, self.LIST), "")

    def test_each_difference_is_named(self):
        for word, source, document in [
            ("`failed, going on` (WARN) is not listed", self.SOURCE, self.LIST.replace("going", "x")),
            ("`failed, x on` is listed, and nothing", self.SOURCE, self.LIST.replace("going", "x")),
            ("listed as ['ERROR']", self.SOURCE, self.LIST.replace("WARN", "ERROR")),
            ("field `what`", self.SOURCE, self.LIST.replace("`what`", "`why`")),
            ("no literal", self.SOURCE.replace("going on", "{why}"), self.LIST),
            ("no literal", self.SOURCE.replace('"failed, going on"', "text"), self.LIST),
        ]:
            with self.subTest(word):
                self.assertIn(word, self.found(source, document))


if __name__ == "__main__":
    unittest.main()
