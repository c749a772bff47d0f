"""The image: the Dockerfile's form, its build context, and the libraries that it needs.

No engine runs here. What a build would do first and what it would lack last are checked instead:
cargo accepts the workspace as .dockerignore leaves it, and every library that the program loads
belongs to a package of the last stage.
"""

import fnmatch
import re
import shutil
import tempfile
from pathlib import Path

from deployment_parts import tools

# The Debian 12 package of each library. libc6 and libgcc-s1 are part of debian:bookworm-slim (apt
# itself needs them); the others must be installed by the Dockerfile.
PACKAGES = {
    "ld-linux-aarch64.so.1": "libc6",
    "ld-linux-x86-64.so.2": "libc6",
    "libc.so.6": "libc6",
    "libcrypto.so.3": "libssl3",
    "libgcc_s.so.1": "libgcc-s1",
    "libm.so.6": "libc6",
    "libssl.so.3": "libssl3",
    "linux-vdso.so.1": "libc6",
}
IN_BASE = {"libc6", "libgcc-s1"}


def check():
    tools.run([tools.packages() / "bin" / "hadolint", tools.ROOT / "Dockerfile"])
    dockerfile = (tools.ROOT / "Dockerfile").read_text()
    libraries(dockerfile)
    build_context()
    return "image: Dockerfile linted, build context whole, libraries installed"


def libraries(dockerfile):
    last = dockerfile.rsplit("\nFROM ", 1)[1]
    installed = set(re.search(r"--no-install-recommends ([a-z0-9 .+-]+)", last).group(1).split())
    for line in tools.run(["ldd", tools.METERLINE]).splitlines():
        library = Path(line.split()[0]).name
        package = PACKAGES.get(library)
        if package is None:
            raise tools.Failed(f"the program loads {library}: name its package in image.py")
        if package not in IN_BASE | installed:
            raise tools.Failed(f"the program loads {library}; the image lacks package {package}")


def build_context():
    """Cargo reads the workspace, with its lock, from what the build would see."""
    rules = ignore_rules((tools.ROOT / ".dockerignore").read_text())
    files = tools.run(["git", "ls-files", "-co", "--exclude-standard"], cwd=tools.ROOT).splitlines()
    with tempfile.TemporaryDirectory() as folder:
        for name in files:
            source = tools.ROOT / name
            if is_ignored(name, rules) or not source.is_file():
                continue
            target = Path(folder) / name
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(source, target)
        arguments = ["--locked", "--no-deps", "--format-version", "1"]
        tools.run(["cargo", "metadata", *arguments], cwd=folder)
        for line in absent_files(Path(folder)):
            raise tools.Failed(f".dockerignore keeps out a file that the build reads: {line}")


def ignore_rules(text):
    """(pattern, whether it lets in), in order."""
    lines = [line.strip() for line in text.splitlines()]
    kept = [line for line in lines if line and not line.startswith("#")]
    return [(line.removeprefix("!").strip("/"), line.startswith("!")) for line in kept]


def is_ignored(name, rules):
    """Whether the last rule that fits the file, or a folder above it, keeps it out."""
    parts = name.split("/")
    paths = ["/".join(parts[:end]) for end in range(1, len(parts) + 1)]
    ignored = False
    for pattern, lets_in in rules:
        if any(fits(path, pattern) for path in paths):
            ignored = not lets_in
    return ignored


def fits(path, pattern):
    if pattern.startswith("**/"):
        return any(fits(tail, pattern[3:]) for tail in tails(path))
    depth = path.count("/") == pattern.count("/")
    return depth and fnmatch.fnmatchcase(path, pattern)


def tails(path):
    parts = path.split("/")
    return ["/".join(parts[start:]) for start in range(len(parts))]


def absent_files(root):
    """What include macros of compiled code name, and the context lacks; tests are not compiled."""
    macro = re.compile(r'include_(?:str|bytes)!\(\s*"([^"]+)"')
    for source in root.glob("*/**/src/**/*.rs"):
        relative = source.relative_to(root)
        if relative.parts[0] == "tests" or "tests" in source.stem:
            continue
        for name in macro.findall(source.read_text()):
            if not (source.parent / name).resolve().exists():
                yield f"{relative} reads {name}"
