"""Every figure of BENCHMARKS.md in one table, each measured beside something else in the same run.

Run it with an interpreter that has seedance-mcp[dev] installed: `python tests/bench [PART ...]`. It installs the server as an
operator does, and the peers; SEEDANCE_INTEROP_CACHE names a folder to keep those in.
"""

from __future__ import annotations

import argparse
import os

import calls
import films
import ledger
import many
import rates
import start
import swarm
import team
import transfer
import waiting

PARTS = {part.__name__: part for part in (start, waiting, swarm, many, rates, calls, transfer, films, ledger, team)}


def main() -> None:
    """Print the table, a part as soon as it is there."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("parts", nargs="*", metavar="PART", help=f"one of {', '.join(PARTS)}; all of them if none is named")
    chosen = parser.parse_args().parts or list(PARTS)
    print("| What | seedance-mcp | Beside it | Ratio | At most |\n|---|---|---|---|---|", flush=True)
    for name in chosen:
        for row in PARTS[name].rows():
            print(row, flush=True)
    print(f"\nLoad of the machine at the end: {os.getloadavg()[0]:.2f} on {os.cpu_count()} processors.")


if __name__ == "__main__":
    main()
