"""The operator's guide and its neighbours: every command and option in them exists.

Reads code blocks of shell in the Markdown files of deploy/; a line that begins with `meterline`, or
runs it in a container with its settings file, is held against the program's own `--help`. Links to
files must lead somewhere.
"""

import re
import shlex

from deployment_parts import tools

BLOCK = re.compile(r"^ *```(?:sh|bash)\n(.*?)^ *```", re.MULTILINE | re.DOTALL)
IN_CONTAINER = re.compile(r"^(?:docker|kubectl) .* (?:/usr/local/bin/)?meterline --config \S+ ")
LINK = re.compile(r"\]\((?!https?:|#)([^)#]+)(?:#[^)]*)?\)")
OPTION = re.compile(r"(?<![\w-])--[a-z][a-z-]*")


def check():
    files = sorted((tools.ROOT / "deploy").rglob("*.md"))
    files = [f for f in files if ".cache" not in f.parts and ".state" not in f.parts]
    commands = 0
    for path in files:
        name, text = path.relative_to(tools.ROOT), path.read_text()
        for target in LINK.findall(text):
            if not (path.parent / target).exists():
                raise tools.Failed(f"{name}: the link to {target} leads nowhere")
        for line in lines(text):
            commands += 1
            complaint = bad_command(line)
            if complaint:
                raise tools.Failed(f"{name}: `{line}`: {complaint}")
    return f"guide: {commands} commands in {len(files)} pages exist"


def lines(text):
    """Commands of shell blocks, continued lines joined."""
    for block in BLOCK.findall(text):
        for line in block.replace("\\\n", " ").splitlines():
            line = IN_CONTAINER.sub("meterline ", " ".join(line.split()))
            if line.startswith("meterline "):
                yield line


def bad_command(line):
    """What the program does not know of it; None if nothing."""
    words = shlex.split(line, comments=True)[1:]
    words = words[: next((n for n, w in enumerate(words) if w in "|>;&&"), len(words))]
    path, known = [], help_of([])
    for word in words:
        if word.startswith("-") or not is_command(known, word):
            break
        path.append(word)
        known = help_of(path)
    if not path and not words[0].startswith("--"):
        return f"there is no command {words[0]}"
    if re.search(r"^Commands:$", known, re.MULTILINE) and path:
        return f"`{' '.join(path)}` needs a command below it"
    options = {word.split("=")[0] for word in words if word.startswith("--")}
    missing = options - set(OPTION.findall(known))
    return f"there is no option {', '.join(sorted(missing))}" if missing else None


def is_command(known, word):
    _, _, listed = known.partition("\nCommands:\n")
    listed = listed.split("\n\n", 1)[0]
    return re.search(rf"^  {re.escape(word)}(\s|$)", listed, re.MULTILINE) is not None


KNOWN = {}


def help_of(path):
    key = tuple(path)
    if key not in KNOWN:
        KNOWN[key] = tools.run([tools.METERLINE, *path, "--help"])
    return KNOWN[key]
