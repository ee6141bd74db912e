"""Measures the pages of an earlier commit and of this tree in turns, in one run: `python -m bench.before REVISION`."""

import argparse
import re
import subprocess
import sys
import tempfile
from pathlib import Path

from bench.markdown import table
from bench.measure import ROOT, say

SESSION = re.compile(r"^\| (Chromium|WebSocket) +\|(.*)\|$", re.MULTILINE)
LINES = {  # what is taken from what a measurement prints, after the rows of its table
    "memory of the server after each fifth, MiB": re.compile(r"fifth of the time: (.*) MiB"),
    "processors": re.compile(r"Processors in use on average: (.*)\."),
    "errors": re.compile(r"Errors: (.*)\."),
    "click, cold": re.compile(r"cold: (median .*)"),
    "click, warm": re.compile(r"warm: (median .*)"),
}


def measured(tree: Path, module: str, *options: str) -> dict[str, str]:
    """Run one measurement in a tree; return what it found, by name."""
    say(f"{module} in {tree.name}")
    command = [sys.executable, "-m", module, *options]
    said = subprocess.run(command, cwd=tree, capture_output=True, text=True)
    if said.returncode:
        raise RuntimeError(said.stderr)
    found = {}
    for kind, cells in SESSION.findall(said.stdout):
        _, commits, median, most, longest = (cell.strip() for cell in cells.split("|"))
        found[f"{kind}: commit to chart, s"] = f"median {median}, 95 % {most}, longest {longest} of {commits}"
    found |= {name: match[1] for name, line in LINES.items() if (match := line.search(said.stdout))}
    return found


def main() -> None:
    """Measure both trees, print one table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("revision", help="of the commit before")
    parser.add_argument("--minutes", type=float, default=5.0, help="that sessions are open (default: 5)")
    parser.add_argument("--warm", type=int, default=20, help="clicks on a warm server (default: 20)")
    parser.add_argument("--cold", type=int, default=3, help="clicks on new servers (default: 3)")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        before = Path(folder) / "before"
        subprocess.run(["git", "worktree", "add", "--detach", before, options.revision], cwd=ROOT, check=True)
        try:
            found: list[dict[str, str]] = [{}, {}]
            for module, more in (
                ("bench.clicks", ("--warm", str(options.warm), "--cold", str(options.cold))),
                ("bench.sessions", ("--minutes", str(options.minutes))),
            ):
                for place, tree in enumerate((before, ROOT)):
                    found[place] |= measured(tree, module, *more)
        finally:
            subprocess.run(["git", "worktree", "remove", "--force", before], cwd=ROOT, check=True)
    rows = [(name, found[0].get(name, ""), value) for name, value in found[1].items()]
    print(table(("", options.revision, "now"), rows))


if __name__ == "__main__":
    main()
