"""`python -m seedance_mcp` is the command `seedance-mcp`."""

import sys

from seedance_mcp.cli import main

sys.exit(main())
