"""The command line where the kernel lacks something: ``run_without landlock|nothing ARGUMENTS``."""

import sys

from cwmb.cli import main
from cwmb.sandbox.kernel import LANDLOCK_CREATE_RULESET

from .run_attacks import refuse

if __name__ == "__main__":
    if sys.argv.pop(1) == "landlock":
        refuse(LANDLOCK_CREATE_RULESET)
    main()
