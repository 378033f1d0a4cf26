"""Make slides of chapters: definitions, steps and formulas, each guess before its figure, and words for the speaker."""

import re
from pathlib import Path

import nbformat
from bs4 import BeautifulSoup, Tag
from markupsafe import Markup
from nbformat import NotebookNode

from asif_book.figures.templates import filled
from asif_lib.files import ROOT, build_dir, write_whole

from ..chapters.chapter_07.own import file_of
from ..editions.building import cards, editions, teacher_text
from ..editions.licences import licences_html
from ..editions.outline import CORE, SAY, Chapter, minutes
from .book import PARAMETERS, chapters_in
from .rendering import cells_as_html, for_paper, to_html
from .schedule import Runner, run_chapters

DEEP = "(deeper)"
"""In a goal, or in words of a summary, that are no part of the core path."""
PARTS = ("text", "ask", "figure", "notes")  # of a slide


def build_slides(folder: Path | str, chapters: list[str] | None = None) -> list[Path]:
    """Write the slides of chapters, by default of the core path, into a folder; those that changed are run first.

    A file needs no network. Raises `ReportError` if there is no such chapter, and `NotebookError` if one fails.
    """
    notebooks, runs = ROOT / "notebooks", build_dir() / "notebooks"
    book = {path: Chapter.read(path) for path in chapters_in(notebooks, chapters)}
    book = {path: chapter for path, chapter in book.items() if chapters or chapter.core}
    files = {path: Path(folder, f"{path.stem}.html") for path in book}
    Path(folder).mkdir(parents=True, exist_ok=True)
    made = Runner(runs, PARAMETERS, reuse=True)
    run_chapters(book, made, lambda path: write_whole(files[path], slides_of(runs / path.name, notebooks).encode()))
    return list(files.values())


def slides_of(executed: Path, folder: Path) -> str:
    """Make the slides of an executed chapter; its source in ``folder/source``, if there, has the exit questions."""
    chapter, source = Chapter.read(executed), folder / "source" / f"{executed.stem}.py"
    notebook = for_paper(nbformat.read(executed, as_version=4))
    body = cells_as_html(notebook, executed.stem, folder)
    for link in body.select("a[href]"):
        link.unwrap()  # the page that it leads to need not be there
    deck = _Deck(f"celltag_{CORE}" if body.select_one(f".celltag_{CORE}") else "text")
    goals = "\n".join(f"- {goal}" for goal in chapter.goals if DEEP not in goal)
    goals = to_html(f"Afterwards, everybody can\n\n{goals}", folder)
    first = {"text": [to_html(chapter.question, folder)], "figure": body.div.select("picture, img")[:1]}
    deck.add([*body.div.select(":scope > p:not(:has(img))"), goals], title=chapter.title, **first)
    for cell, html in zip(notebook.cells, body.find_all("div", recursive=False), strict=True):
        deck.cells.append(cell)
        if cell.cell_type == "markdown":
            deck.prose(html)
        if SAY in cell.metadata:  # of a figure, or of a definition
            (deck.last if cell.cell_type == "code" else deck.said).append(to_html(cell.metadata[SAY], folder))
        if cell.cell_type == "code":
            deck.code(html)
    deck.end_section()
    guide = teacher_text(source) if source.exists() else ""
    asked, exits = (_below(guide, part) for part in ("### Discussion", "### Exit questions"))
    discussion = BeautifulSoup(to_html(asked, folder), "html.parser")
    if discussion.li:  # its first question; the answer stands in its item, or below the list
        deck.add([discussion.blockquote.extract()], title="Discuss", text=discussion.li.contents, minutes=2)
    if exits:
        questions = BeautifulSoup(to_html(exits, folder), "html.parser")
        answers = [answer.extract() for answer in questions.find_all("blockquote")]
        deck.add(answers, title="Before you go", text=[questions], minutes=5)
    own = ""  # my_asif.py of a reader who solved all exercises
    if exits and any("make_my_asif" in cell.source for cell in notebook.cells):
        pairs = [editions(written) for written in sorted(source.parent.glob("0[034]_*.py"))]
        own = file_of({card.number: card.solution for pair in pairs for card in cards(*pair)})
    for slide in deck.slides:
        slide |= {part: [Markup(str(piece)) for piece in slide.get(part, ())] for part in PARTS}
    return filled(
        "report/templates/slides.html.j2", chapter=chapter, slides=deck.slides, own=own, licences=licences_html()
    )


def _below(text: str, heading: str) -> str:
    return text.partition(heading)[2].partition("\n### ")[0]


class _Deck:
    """Slides of the core sections of a chapter, or of all where none is marked, made cell by cell."""

    def __init__(self, wanted: str):
        self.slides, self.wanted, self.title = [], wanted, ""
        self.cells: list[NotebookNode] = []  # since the last slide: they tell its minutes
        self.shown, self.said, self.last = [], [], []  # of the next slide; `last` is said with the figure after it
        self.ask, self.printed = [], []

    def add(self, notes=(), **parts):
        """Add a slide, with what is to be said."""
        slide = {"title": self.title, "minutes": minutes(self.cells)[0], "notes": [*self.said, *notes]}
        self.slides.append(slide | parts)
        self.said, self.cells = [], []

    def close(self, figure=(), notes=()):
        """Add the slide of what was defined since the last one, if anything was, and that of a figure."""
        if self.shown:
            if not self.said:
                self.said, self.last = self.last[:1], self.last[1:]
            self.cells, rest = (self.cells[:-1], self.cells[-1:]) if figure else (self.cells, [])
            self.add(text=self.shown)
            self.cells = rest  # the figure's cell tells its own minutes
        self.said, self.last, self.shown = self.said + self.last, [], []
        if figure:
            self.add(notes, ask=self.ask, figure=figure)
            self.ask, self.printed = [], []

    def end_section(self):
        """Add what is left of a section. One without figures and definitions shows its first words."""
        if not self.shown and not any(slide["title"] == self.title for slide in self.slides):
            self.shown, self.said, self.last = (self.said + self.last)[:1], (self.said + self.last)[1:], []
        self.close()
        self.slides[-1]["notes"] += self.said
        self.said = []

    def code(self, cell: Tag):
        outputs = cell.select(".output") if self.title else []
        figures = "img, svg, .asif-drawn"
        drawn = [output for output in outputs if output.select(figures)] or cell.select(".output:has(table)")
        self.printed += [output for output in outputs if not output.select(f"{figures}, table, .widget-note")]
        if outputs and drawn:
            self.close(drawn, self.printed)
        elif outputs:
            self.close()

    def prose(self, cell: Tag):
        if self.ask and self.printed:  # what was printed answers the guess
            self.close(self.printed)
        self.printed = []
        answers = False  # after "What you see", words speak of the figure above
        for block in cell.find_all(recursive=False):
            words = block.get_text()
            if block.name == "h2":
                self.end_section()
                self.title = words if words == "Summary" or self.wanted in cell["class"] else ""
                self.cells = self.cells[-1:]
            elif not self.title or DEEP in words:
                continue
            elif words.startswith("Exercise") and block.name == "h3":
                self.close()
                task = block.find_next_siblings()
                card = re.search(r"Minutes (\d+)|$", task[0].get_text())[1] or 0
                code = (at for at, each in enumerate(task) if at > 1 and each.get_text().startswith(("Then", "Return")))
                told = next(code, len(task))  # what follows is for those who write the function
                self.add(task[told:], title=words, text=task[:told], minutes=minutes(self.cells)[0] + int(card))
                break
            elif block.name == "h3":
                self.end_section()
                self.title = words
            elif self.title == "Summary" and block.name == "ul":
                self.add(text=[item for item in block.find_all("li") if not item.get_text().startswith("Deeper")])
            elif block.name == "details":  # the hint of an exercise, and what its reader should see
                block["open"] = ""
                self.slides[-1]["notes"].append(block)
            elif words.startswith("Before you "):
                block.strong.string = "Your guess:"
                self.ask = [block]
            else:
                sees = words.startswith("What you see")
                answers = answers or sees
                shown, said = _parted(block)
                if sees or (answers and not self.shown + shown):
                    self.slides[-1]["notes"] += said
                else:
                    self.said, self.last = self.said + self.last, said
                self.shown = self.shown + shown


_TERM = re.compile(r"<strong>(?!What you see)[^<]*[^<:.]</strong>")
_GOES_ON = re.compile(r"(<\w+>)*(This|These|It|They|Then|So|Do|Ask|Instead|Each term|The result)\b")
"""How a sentence begins that says nothing without the one before."""


def _parted(block: Tag) -> tuple[list[Markup], list[Markup]]:
    """Part words into what is shown (sentences with a term, lists, formulas and what belongs to them) and the rest."""
    before, shows, after = (
        bool(part and (part.name in ("ol", "ul") or part.find("math", display="block")))
        for part in (block.find_previous_sibling(), block, block.find_next_sibling())
    )
    if shows:
        return [block], []
    sentences = re.split(r"(?<=[.?!)”])\s+(?=[A-Z“(])", block.decode_contents().strip())
    shown = [block.name == "p" and bool(_TERM.search(sentence)) for sentence in sentences]
    shown[0] = (shown[0] and "What you see" not in sentences[0]) or (before and sentences[0][0].islower())
    shown[-1] = shown[-1] or after
    for at in range(len(shown) - 1, 0, -1):
        shown[at - 1] = shown[at - 1] or bool(shown[at] and _GOES_ON.match(sentences[at]))
    parts = [[each for each, is_ in zip(sentences, shown, strict=True) if is_ == want] for want in (True, False)]
    return tuple([Markup("<p>{}</p>").format(Markup(" ".join(part)))] if part else [] for part in parts)
