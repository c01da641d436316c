"""A million random and mutated requests, and what became of them: see `campaign`."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2]))

from tests.fuzz.campaign import main

if __name__ == "__main__":
    main()
