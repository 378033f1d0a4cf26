"""``python -m asif_lib.cli`` is the command ``asif``."""

from . import main

raise SystemExit(main())
