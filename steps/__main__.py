"""`python -m steps NAME -P name=value …`."""

import sys

from src.pipeline.cli import main

sys.exit(main(sys.argv[1:]))
