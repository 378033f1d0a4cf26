"""The command ``python -m asif_book.editions``."""

import sys

from asif_book.editions.building import main

sys.exit(main())
