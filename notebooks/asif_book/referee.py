"""Judge a submission's function in a process of its own.

python -m asif_book.referee 00.1 < FUNCTION, where FUNCTION is a pickled tuple: the student's function, and a task
where the exercise has one. The verdict is printed; the exit status is 0 if the function is right.
"""

import pickle
import sys

from .checks import EXERCISES


def main() -> int:
    function, *task = pickle.load(sys.stdin.buffer)
    verdict = EXERCISES[sys.argv[1]](function, *task)
    print(verdict)
    if verdict.status == "right":
        return 0
    print(verdict.message, file=sys.stderr)
    return 1


if __name__ == "__main__":
    sys.exit(main())
