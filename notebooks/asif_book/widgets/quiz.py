"""The test before and after the core path, as a form in the notebook; each click is kept in the progress file."""

from dataclasses import replace

import anywidget
import traitlets

from asif_book.checks.progress import Answers, Progress, ProgressError, change, load_progress, now, progress_path
from asif_book.checks.quiz import EDITION, LETTERS, QUESTIONS
from asif_lib.defaults import DEFAULT_BANK

from .parts import FOLDER, PARTS


class Quiz(anywidget.AnyWidget):
    """The questions "before" or "after" the core path; after the second test, the answers to both.

    `pairs` are those of the chapter's run: with others than the book's, a sentence says that the answers count.
    """

    _esm = FOLDER / "quiz.js"
    _css = FOLDER / "controls.css"
    page = traitlets.Unicode().tag(sync=True)
    words = traitlets.Unicode().tag(sync=True)

    def __init__(self, which, pairs=DEFAULT_BANK):
        super().__init__()
        self.which, self.pairs, self.progress, self.asked_again = which, str(pairs), Progress(), False
        path = progress_path()
        try:
            self.progress = load_progress(path) if path and path.exists() else self.progress
        except ProgressError as error:
            self.words = str(error)
        self.on_msg(self._receive)
        self._show()

    def _attempt(self, progress) -> Answers:
        return progress.tests.get(self.which, Answers(EDITION, {}))

    def _show(self):
        shown = {"questions": QUESTIONS, "letters": LETTERS, "edition": EDITION, "no_file": progress_path() is None}
        shown |= {"which": self.which, "progress": self.progress, "attempt": self._attempt(self.progress)}
        self.page = str(PARTS.quiz(**shown, others="" if self.pairs == DEFAULT_BANK else self.pairs))

    def _receive(self, _, content, buffers):
        press, known = content.get("press"), self._attempt(self.progress).answers
        left = [str(number) for number, question in enumerate(QUESTIONS, 1) if question["id"] not in known]
        if press == "hand in" and left and not self.asked_again:
            self.words = f"Open: question {', '.join(left)}. Answer, or hand in again: an open one counts as not right."
            self.asked_again = True
            return

        def changed(progress):
            attempt = self._attempt(progress)
            if press in ("leave out", "take"):
                self.progress = replace(progress, no_tests=press == "leave out")
            elif attempt.handed_in or attempt.edition != EDITION:  # perhaps in another notebook: the first one counts
                self.progress = progress
            else:
                answers = known | attempt.answers | content.get("answer", {})  # known: the file may have been deleted
                attempt = replace(attempt, answers=answers, handed_in=now() if press else None)
                self.progress = replace(progress, tests=progress.tests | {self.which: attempt})
            return self.progress

        changed(self.progress)  # also where no file can be written
        self.words = change(changed, "Your answers stand here, but were not saved.")
        if press or self._attempt(self.progress).handed_in:
            self._show()
