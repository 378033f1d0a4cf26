"""Checks of exercises 05.1, 05.4 and 05.5: recall with ties, prompts, and the mean over templates."""

import torch
import torch.nn.functional as F

from ..catalogue import ONE_TOO_LARGE, but, changed, one_fewer, one_more
from ..exercise import Exercise, investigation
from ..judging import Verdict, ask, kind_of, refuse, right


def of_the_best(scores, relevant):
    return scores.masked_fill(~relevant, -torch.inf).amax(dim=1, keepdim=True)


def of_the_worst(scores, relevant):
    return scores.masked_fill(~relevant, torch.inf).amin(dim=1, keepdim=True)


def wrong_before(scores, relevant, found):
    return (scores >= found) & ~relevant


def recall(scores, relevant, k, *, score_of=of_the_best, before=wrong_before, over=torch.mean):
    """Return recall@k, where a tie is no find; the options are the places where a step can go wrong."""
    place = before(scores, relevant, score_of(scores, relevant)).sum(dim=1)
    return float(over((place < k).float()))


def hits(scores, relevant, k):
    return relevant.gather(1, scores.topk(k, dim=1).indices)


DRAW = torch.Generator().manual_seed(53)
SCORES = torch.rand(40, 12, generator=DRAW)
COARSE = (4 * SCORES).round() / 4  # many ties
ONE = F.one_hot(torch.randint(12, (40,), generator=DRAW), 12).bool()
SEVERAL = ONE | (torch.rand(40, 12, generator=DRAW) < 0.15)
SQUARE = torch.eye(12, dtype=torch.bool)

cases = [
    (SCORES, ONE, 1),
    (SCORES, SEVERAL, 3),
    (COARSE, ONE, 2),
    (COARSE, SEVERAL, 5),
    (torch.zeros(12, 12), SQUARE, 5),  # a model that says nothing finds nothing
    (SCORES[:12], SQUARE, 12),
    (SCORES - 1, SEVERAL, 2),  # all scores negative
]
mistakes = {
    "Where the right answer ties with others, you count it as found; a model that gives everything the same score "
    "would be perfect. Let a tie stand behind the others.": but(before=lambda s, r, found: s > found),
    "Where scores tie, the order that topk or sort happens to give decides; let a right answer stand behind all wrong "
    "ones that it ties with.": lambda s, r, k: hits(s, r, k).any(dim=1).float().mean(),
    "You looked at the first k + 1 answers: found means that fewer than k wrong answers stand before.": one_more("k"),
    "You looked at the first k - 1 answers: do not count the right answer itself.": (one_fewer("k")),
    "A question may have several right answers. It counts as found when the best of them is among the first k of all "
    "answers.": lambda s, r, k: (hits(s, r, k).sum(1) / r.sum(1)).mean(),
    "You let right answers stand in each other's way: count only the wrong answers that stand before the best right "
    "answer.": (lambda s, r, k: recall(s, r, k + 1, before=lambda s, r, found: s >= found)),
    "You looked for the worst of a question's right answers; it counts as found when its best one is among the first "
    "k.": but(score_of=of_the_worst),
    "You divided by k; divide by the number of questions.": lambda s, r, k: (hits(s, r, k).sum(1) / k).mean(),
    "You returned how many questions are found; divide by the number of questions.": but(over=torch.sum),
    "You put 0 in place of the wrong answers' scores and then took the largest; where the scores of the right answers "
    "are negative, that 0 wins.": but(score_of=lambda s, r: (s * r).amax(dim=1, keepdim=True)),
}
check_recall_with_ties = Exercise("05.1", "Recall with ties", recall, cases, mistakes)


@investigation("05.4", "Labels into templates")
def check_prompts(function) -> Verdict:
    """Compare the prompts with every label in every template, label by label."""
    cases = [
        (["cat", "dog"], ["a {}", "the {}", "{}"]),
        (["ankle boot", "bag", "coat"], ["a photo of a {}."]),
        (["hat"], ["{}", "a {} on white"]),
    ]
    for labels, templates in cases:
        prompts = ask(function, (labels, templates), f"With {labels} and {templates}", like=[""])
        refuse_other_prompts(prompts, labels, templates)
    return right(f"The prompts are right on {len(cases)} inputs, and in the order that the next exercise counts on.")


def refuse_other_prompts(result, labels, templates):
    if not isinstance(result, tuple | list):
        refuse(f"Your function returned {kind_of(result)}; a list of strings is wanted.")
    if any(isinstance(part, tuple | list) for part in result):
        refuse("Your function returned lists within a list; one flat list of prompts is wanted.")
    if not all(isinstance(part, str) for part in result):
        refuse("Not all that your function returned are strings.")
    result, wanted = list(result), [template.replace("{}", label) for label in labels for template in templates]
    if result == wanted:
        return
    if result == [template.replace("{}", label) for template in templates for label in labels]:
        refuse("You went template by template; go label by label: first all templates with the first label.")
    if result == [f"{template} {label}" for label in labels for template in templates]:
        refuse("You put the label behind the template; it belongs where {} stands.")
    if any("{" in prompt or "}" in prompt for prompt in result):
        refuse("Some prompts still have {} in them: put the label in its place.")
    if (n := len(wanted)) != len(result):
        refuse(f"{len(labels)} labels in {len(templates)} templates make {n} prompts; you return {len(result)}.")
    if sorted(result) == sorted(wanted):
        refuse("The prompts are right, but in another order: go label by label, each in the order of the templates.")
    first = next(i for i in range(n) if result[i] != wanted[i])
    refuse(f"Prompt {first + 1} of {n} is {result[first]!r}, which is not what label and template make.")


def by_label(scores, c, m):
    return scores.unflatten(1, (c, m))


def best_label(scores, c, m, *, grouped=by_label, over=torch.mean, dim=2, pick=torch.argmax):
    return pick(over(grouped(scores, c, m), dim=dim), dim=1)


# Scores of 0 to 1 with a label that has the best single prompt, another the best mean.
OF_PROMPTS = torch.rand(40, 12, generator=torch.Generator().manual_seed(51))

cases = [
    (OF_PROMPTS, 3, 4),
    (OF_PROMPTS, 6, 2),
    (OF_PROMPTS, 12, 1),
    (OF_PROMPTS[:1], 2, 6),
    (OF_PROMPTS[:2, :4], 2, 2),
]
mistakes = {
    "You returned the best column, which is a prompt; average each label's prompts.": lambda s, c, m: s.argmax(dim=1),
    "You took the label of the best single prompt; average over the templates.": but(over=torch.amax),
    "You mixed up the order of the columns: the m templates of the first label come first, then those of the second; "
    "so the shape is (q, c, m).": but(grouped=lambda s, c, m: by_label(s, m, c).mT),
    "You averaged over the labels and chose a template; average over the templates and choose a label.": but(dim=1),
    "You returned the scores of the labels; give the position of the best.": but(pick=lambda means, dim: means),
    "You returned the best score of each picture; the position of the best label is wanted.": but(pick=torch.amax),
    "You used the same number of templates on every input; it is given as m.": changed(c=lambda c: -1, m=lambda m: 4),
    "Your positions are one too large: positions start at 0.": ONE_TOO_LARGE,
}
check_average_templates = Exercise("05.5", "Average over templates", best_label, cases, mistakes)
