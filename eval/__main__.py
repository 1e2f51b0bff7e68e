"""Makes `python -m eval run ...` do what `palate eval run ...` does."""

import sys
from pathlib import Path


def main() -> None:
    """Run the commands; a PalateError ends them with its line and exit code.

    `python -m` looks for modules in the working folder first, where a folder `prompts` may lie that is not Palate's.
    """
    if not sys.flags.safe_path and Path.cwd() != Path(__file__).resolve().parent.parent:
        del sys.path[0]
    from agent.errors import PalateError
    from eval.commands import app

    try:
        app(prog_name="palate eval")
    except PalateError as error:
        sys.stderr.write(f"palate: {error}\n")
        sys.exit(error.exit_code)


if __name__ == "__main__":
    main()
