"""Checks of chapter 10, any two strangers: pairs by number, there and back, own means, two bridges, many tongues."""

import torch

from asif_book.checks.catalogue import but
from asif_book.checks.exercise import Exercise, investigation
from asif_book.checks.judging import Verdict, ask, kind_of, random_tensor, refuse
from asif_book.checks.proof import HeldOutTask, lowest, prove, refuse_unmeasured
from asif_lib.evaluation.measures import ranks
from asif_lib.relative import relative_representation


def same_stamps(mine, other):
    return (mine[:, None] == other).nonzero()


numbers = [([7, 3, 9, 4], [4, 7, 8, 9]), ([5, 1, 6], [6, 5, 1, 2, 8]), ([2, 8], [3, 9, 1])]
cases = [(torch.tensor(mine), torch.tensor(other)) for mine, other in numbers]
cases.append((torch.randperm(30, generator=torch.Generator().manual_seed(10))[:20], torch.arange(3, 25)))
mistakes = {
    "You paired row i with row i. A language without some stamps has other rows: compare the numbers.": (
        lambda mine, other: torch.arange(min(len(mine), len(other)))[:, None].expand(-1, 2)
    ),
    "Your pairs are in the order of `other`; keep the order of `mine`.": lambda m, o: same_stamps(o, m).flip(1),
    "You kept only the positions in `mine`; each pair has two.": but(".nonzero()", ".nonzero()[:, 0]"),
    "Return where the numbers stand, not the numbers.": lambda m, o: m[same_stamps(m, o)[:, :1]].expand(-1, 2),
    "Your two lists do not belong together: mine[i] and other[j] must be the same number.": lambda m, o: torch.stack(
        [torch.isin(m, o).nonzero()[:, 0], torch.isin(o, m).nonzero()[:, 0]], dim=1
    ),
    "Keep the order of `mine`; do not sort by number.": lambda m, o: (p := same_stamps(m, o))[m[p[:, 0]].argsort()],
}
check_same_stamps = Exercise(
    "10.1", "The same stamp", same_stamps, cases, mistakes, word="positions",
    notes={3: "where no stamp is in both"}, hints={"(0, 2)": "An empty list gets two columns from .reshape(-1, 2)."},
)  # fmt: skip


def there_and_back(scores):
    best = scores.argmax(dim=1)
    return scores.argmax(dim=0)[best] == torch.arange(len(scores))


cases = [(random_tensor(q, t, seed=seed),) for seed, (q, t) in enumerate([(4, 4), (6, 3), (3, 9), (25, 30)], 120)]
mistakes = {
    "Column i needs the truth; go back from the best column.": lambda s: s.argmax(dim=1) == torch.arange(len(s)),
    "You began at the columns; one answer for each row is wanted.": (
        lambda scores: there_and_back(scores.T),
        lambda scores: scores.argmax(dim=1)[scores.argmax(dim=0)] == torch.arange(len(scores)),
    ),
    "You compared with the column on the way; compare with the row that you began with.": but(
        "torch.arange(len(scores))", "best"
    ),
    "Say whether each row leads back to itself, not to which row it leads.": but(" == torch.arange(len(scores))", ""),
    "You compared row i with column i, which have nothing in common but a number. Pick the best column of each row: "
    "[best].": lambda scores: scores.argmax(dim=0) == scores.argmax(dim=1),
    "You went forward twice. For the way back take the best row of a column, argmax(dim=0).": (
        but("scores.argmax(dim=0)[best]", "best[best]"),
        but("scores.argmax(dim=0)[best]", "scores[best].argmax(dim=1)"),
        but("scores.argmax(dim=0)[best]", "scores[:, best].argmax(dim=1)"),
    ),
}
check_there_and_back = Exercise("10.2", "There and back", there_and_back, cases, mistakes)


def own_mean(z, mean, anchors):
    z, anchors = z - mean, anchors - anchors.mean(dim=0)
    return relative_representation(z, anchors)


cases = [
    (random_tensor(q, d, seed=seed), random_tensor(d, seed=seed + 1), random_tensor(n, d, seed=seed + 2) + 1)
    for seed, (q, n, d) in zip((130, 140, 150), [(5, 7, 4), (3, 12, 6), (1, 5, 3)], strict=True)
]
mistakes = {
    "The questions are in another language: subtract `mean`.": but("z - mean", "z - anchors.mean(dim=0)"),
    "The anchors have a mean of their own: anchors.mean(dim=0).": but("anchors.mean(dim=0)", "mean"),
    "A single question would become 0: subtract `mean`.": but("z - mean", "z - z.mean(dim=0)"),
    "These are dot products, not cosines.": but("relative_representation(z, anchors)", "z @ anchors.T"),
}
check_own_mean = Exercise("10.3", "A mean for each language", own_mean, cases, mistakes)


def two_bridges(first, second):
    own, middle = torch.arange(len(first)), first.argmax(dim=1)
    arrived = second.argmax(dim=1)[middle] == own
    over_one = middle == own
    lost = ~arrived & ~over_one, ~arrived & over_one
    return torch.stack([arrived, *lost]).float().mean(dim=1)


def each_alone(first, second):
    one, two = (scores.argmax(dim=1) == torch.arange(len(first)) for scores in (first, second))
    return torch.stack([one & two, ~one, one & ~two]).float().mean(dim=1)


def scores_of_stamps(q, seed):
    return random_tensor(q, q, seed=seed) + 2.2 * torch.eye(q)


swaps = torch.tensor([[0.1, 0.9, 0.0], [0.8, 0.2, 0.0], [0.0, 0.1, 0.7]])  # wrong twice is right in the end
cases = [(swaps, swaps), *((scores_of_stamps(q, 160 + q), scores_of_stamps(q, 260 + q)) for q in (8, 20, 45))]
mistakes = {
    "You count a stamp as lost at the first bridge though it arrives: two errors may cancel. Look at the end of the "
    "way first.": each_alone,
    "At the second bridge only a stamp is lost that came over the first one; the rest is lost before.": (
        but("~arrived & over_one", "~arrived"),
        but("~arrived & over_one", "~(~arrived & ~over_one)"),
        but("~arrived & over_one", "~arrived & (second.argmax(dim=1) != own)"),
        but("~arrived & over_one", "~arrived & (second.argmax(dim=1)[middle] != middle)"),
    ),
    "You divided by the stamps that came over the first bridge; all three are shares of all stamps.": but(
        "mean(dim=1)", "sum(dim=1) / torch.tensor([len(own), len(own), over_one.sum()])"
    ),
    "You multiplied the scores. The picture chooses one English caption, and this one alone chooses a Hindi one.": but(
        "second.argmax(dim=1)[middle]", "(first @ second).argmax(dim=1)"
    ),
    "On the second bridge you started from the right caption. Start from the one that the first bridge chose: "
    "second.argmax(dim=1)[first.argmax(dim=1)].": but("[middle]", ""),
    "You went over the bridges in the other order.": lambda a, b: two_bridges(b, a),
    "You searched down the columns; the best caption of a row is argmax(dim=1).": but("argmax(dim=1)", "argmax(dim=0)"),
    "Your shares exceed 1: a stamp that arrives is not lost.": but("~arrived & ~over_one", "~over_one"),
    "You give counts, and of each bridge alone; give shares of the whole way.": lambda a, b: len(a) * each_alone(a, b),
    "The two losses are exchanged: arrived, lost at the first, lost at the second.": but(
        "mean(dim=1)", "mean(dim=1)[[0, 2, 1]]"
    ),
}
notes = {1: "where two errors cancel"}
check_two_bridges = Exercise("10.4", "Lost at which bridge", two_bridges, cases, mistakes, notes=notes)


class TonguesTask(HeldOutTask):
    """Ask for pictures in several languages at once: is it better than the first language alone?

    `validation` and `test` hold for each language the scores (q, q) of pictures and their captions.
    """

    languages = property(lambda task: list(task._splits["validation"]), doc="The names that may be chosen.")

    @classmethod
    def made_up(cls):
        """Make five languages that each say a little about 150 pictures."""
        names = ["Japanese", "Hindi", "Greek", "Dutch", "Zulu"]
        return cls(*({n: scores_of_stamps(150, seed + i) for i, n in enumerate(names)} for seed in (200, 300)))

    def _right(self, choice, split):
        if problem := tongues_problem(choice, self.languages):
            raise ValueError(problem)
        scores = torch.stack([self._splits[split][name] for name in self._key(choice)]).mean(dim=0)  # (q, q)
        places = [torch.from_numpy(ranks(s, torch.eye(len(s)).bool())) for s in (scores, scores.T)]
        return torch.stack([(p < top).float() for p in places for top in (1, 10)]).mean(dim=0)

    def _to_beat(self, choice, split):
        return self._right(self.languages[:1], split)

    def _key(self, choice):
        return tuple(sorted(choice))


@investigation("10.5", "Many tongues", TonguesTask)
def check_tongues(function, task) -> Verdict:
    """Compare the chosen languages with the first one on the validation stamps, then on the test stamps."""
    task.measured.clear()
    form = {"like": [""], "form": lambda choice: tongues_problem(choice, task.languages)}
    chosen = list(ask(function, (task.languages, task.measure), "In your investigation", patience=3, **form))
    refuse_unmeasured(task._key(chosen), task.measured, "choice", "validation stamps")
    first = task.languages[0]
    gain = 100 * (task.measured[task._key(chosen)] - float(task.measure([first]).mean()))
    if gain <= 0:
        refuse(
            f"On the validation stamps your choice is {gain:+.1f} points from {first} alone, so it is not ahead."
            f"{lowest(task._key(chosen), task.measured)}"
        )
    mine, alone = (found.double() for found in task.open_test(chosen))
    shares = f"{mine.mean():.1%} with {', '.join(chosen)}, {alone.mean():.1%} with {first} alone"
    found = f"Validation: {gain:+.1f} points. Test, {len(mine)} stamps, mean recall: {shares}"
    luck = "the gain may be luck. For a proof, look for a larger gain on the validation stamps."
    below, gaps = "the gain on validation is a loss here.", (mine - alone).numpy()
    return prove(gaps, task.looks, found, above="your languages know more.", below=below, between=luck)


def tongues_problem(choice, languages) -> str:
    """Describe what is wrong with a choice of languages, or return an empty string."""
    if not isinstance(choice, tuple | list) or not choice:
        return f"This is {kind_of(choice)}, and a list of names of languages is wanted, such as {languages[:1]}."
    if unknown := [name for name in choice if name not in languages]:
        return f"The language {unknown[0]!r} is not one of {', '.join(languages)}."
    return "A language occurs twice; name each once." if len(set(choice)) < len(choice) else ""


FOR_NOTEBOOKS = [TonguesTask]
