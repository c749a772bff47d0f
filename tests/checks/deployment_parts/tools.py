"""Where the tools of the checks come from: PyPI by hash, kustomize from the Go module proxy.

Refuses packages whose hash is not in requirements.txt. They are installed under `target`, once per
list; nothing on the machine changes.
"""

import hashlib
import os
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[3]
METERLINE = ROOT / "target" / "release" / "meterline"
# The version that the checks were written with; `kubectl` brings one of its own.
KUSTOMIZE = "sigs.k8s.io/kustomize/kustomize/v5@v5.7.1"


class Failed(Exception):
    """What is wrong, in words for the person at the terminal."""


def run(command, **options):
    """Standard output; raises Failed with all output if the command fails or is not there."""
    if shutil.which(command[0]) is None:
        raise Failed(f"{command[0]} is missing")
    done = subprocess.run(
        [str(word) for word in command], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        **options,
    )  # fmt: skip
    if done.returncode:
        name = " ".join(Path(str(word)).name for word in command[:2])
        raise Failed(f"{name} failed: {(done.stdout + done.stderr).strip()}")
    return done.stdout


def packages():
    """The folder with the Python packages, filled at first use."""
    wanted = ROOT / "tests" / "checks" / "requirements.txt"
    version = f"{sys.version_info.major}.{sys.version_info.minor}"
    digest = hashlib.sha256(wanted.read_bytes()).hexdigest()[:12]
    folder = ROOT / "target" / "checks" / f"python-{version}-{digest}"
    if not folder.is_dir():
        part = folder.with_suffix(".part")
        shutil.rmtree(part, ignore_errors=True)
        run([
            sys.executable, "-m", "pip", "install", "--quiet", "--require-hashes", "--no-compile",
            "--disable-pip-version-check", "--only-binary=:all:", "--target", part, "-r", wanted,
        ])  # fmt: skip
        os.rename(part, folder)
    return folder


def python(module, *arguments):
    """Runs a module of the packages."""
    environment = os.environ | {"PYTHONPATH": str(packages())}
    return run([sys.executable, "-m", module, *arguments], env=environment, cwd=ROOT)


def kustomize():
    """The program, built at first use; None where neither it nor a Go that builds it is there."""
    found = shutil.which("kustomize")
    if found:
        return found
    folder = ROOT / "target" / "checks" / "bin"
    if not (folder / "kustomize").exists():
        if shutil.which("go") is None:
            return None
        try:
            run(["go", "install", KUSTOMIZE], env=os.environ | {"GOBIN": str(folder)})
        except Failed as failed:
            print(f"deployment: {failed}", file=sys.stderr, flush=True)
            return None
    return folder / "kustomize"
