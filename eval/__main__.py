"""Makes `python -m eval run ...` do what `palate eval run ...` does."""

import sys

from agent.errors import PalateError
from eval.commands import app

if __name__ == "__main__":
    try:
        app(prog_name="palate eval")
    except PalateError as error:
        sys.stderr.write(f"palate: {error}\n")
        sys.exit(error.exit_code)
