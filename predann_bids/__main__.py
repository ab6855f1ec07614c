"""Start `predann-bids`.

Its help text is kept in `help.json`: making it from all options, which the configuration's models describe, takes four
times as long as showing it. `predann_bids.tools.descriptor` writes the file.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

HELP = Path(__file__).with_name("help.json")


def main() -> None:
    """Show the help text if that is all that is asked for; else do what is asked."""
    if sys.argv[1:] in (["--help"], ["-h"]):
        from predann_bids.command import WrittenHelp

        WrittenHelp("predann-bids", json.loads(HELP.read_text("utf-8"))).main(["--help"], prog_name="predann-bids")
    if sys.argv[1:] == ["--version"]:
        from predann_bids import __version__
        from predann_bids.surroundings.container import version_text

        sys.stdout.write(f"{version_text('predann-bids', __version__)}\n")
        return
    from predann_bids import cli

    cli.main()


if __name__ == "__main__":
    main()
