"""Write `dist/seedance-mcp.cdx.json`, the SBOM (CycloneDX) of the image that `packages/rehearse.py` has installed.

python packages/sbom.py
"""

from __future__ import annotations

import json
import subprocess
import sys
from typing import Any

from rehearse import DIST, TOP, wheel


def main() -> None:
    """Write the file; the tool validates it, and leaves out the version, which it looks for in pyproject.toml."""
    options = ["environment", "--pyproject", str(TOP / "pyproject.toml"), "--output-reproducible", "--validate"]
    command = [sys.executable, "-m", "cyclonedx_py", *options, str(DIST / "image")]
    written = subprocess.run(command, cwd=TOP, stdout=subprocess.PIPE, check=True, encoding="utf-8")
    sbom: dict[str, Any] = json.loads(written.stdout)
    sbom["metadata"]["component"]["version"] = wheel().name.split("-")[1]
    path = DIST / "seedance-mcp.cdx.json"
    path.write_text(json.dumps(sbom, indent=2, sort_keys=True) + "\n", "utf-8")
    print(f"{path}: CycloneDX {sbom['specVersion']}, {len(sbom['components'])} components")


if __name__ == "__main__":
    main()
