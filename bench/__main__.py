"""Measures the lab beside its peers: `python -m bench`; with `--write`, the tables go into docs/performance.md."""

import argparse
import tempfile
from pathlib import Path

from bench import report
from bench.measure import ROOT, install, measure, say
from bench.rows import PEERS, growth_rows, speed_rows
from bench.startup import measure_solving, measure_starts
from bench.targets import targets
from pg_core.config import Config

DOCUMENT = ROOT / "docs" / "performance.md"
BEGIN, END = "<!-- begin of what `python -m bench --write` writes -->\n", "<!-- end of it -->\n"
POPULATION, ONE_AGENT = "the default population", "one agent"


def measured() -> str:
    """Measure everything; return the tables with their headings."""
    pythons, reasons = install(PEERS)
    rows, sizes = speed_rows(), growth_rows()
    with tempfile.TemporaryDirectory() as folder:
        programs = Path(folder)
        results = measure([*rows, *sizes.values()], pythons, reasons, programs)
        solving = measure_solving({Config().num_agents: POPULATION, 1: ONE_AGENT}, programs)
    starts = measure_starts()
    speed = {row: results[row] for row in rows}
    sections = {
        "Environment steps a second": report.speed(speed),
        "What the compiled engine is to reach": targets(speed, solving[ONE_AGENT]),
        "How cost grows": report.growth({size: results[row] for size, row in sizes.items()}),
        "From the start to the first update": report.starts(starts),
        "Until CartPole-v1 is solved": report.solving(solving),
        "What was run": report.machine(pythons, reasons),
    }
    return "\n".join(f"### {heading}\n\n{text}\n" for heading, text in sections.items())


def write(text: str) -> None:
    """Replace what the last measurement wrote into the document."""
    before, _, rest = DOCUMENT.read_text().partition(BEGIN)
    _, _, after = rest.partition(END)
    DOCUMENT.write_text(f"{before}{BEGIN}\n{text}\n{END}{after}")


def main() -> None:
    """Measure, then print or write."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--write", action="store_true", help=f"write into {DOCUMENT.relative_to(ROOT)}")
    options = parser.parse_args()
    text = measured()
    if options.write:
        write(text)
    else:
        print(text)
    say("done")


if __name__ == "__main__":
    main()
