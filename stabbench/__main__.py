"""``python -m stabbench``: the same as the console script ``stabbench``."""

from stabbench.cli import main

raise SystemExit(main())
