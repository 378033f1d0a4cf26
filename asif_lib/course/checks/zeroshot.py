"""Checks of chapter 05, zero-shot evaluation: recall, prompts, and the mean over templates."""

import torch

from .judging import Verdict, call, compare, exercise, form_problem, kind_of, right, wrong


@exercise("05.1", "Recall with ties")
def check_recall_with_ties(function) -> Verdict:
    """Recall@k, where a tie is no find."""
    from asif_lib.evaluation.measures import ranks

    def reference(scores, relevant, k):
        return float((ranks(scores, relevant) < k).mean())

    def best(scores, relevant):
        return scores.masked_fill(~relevant, -torch.inf).amax(dim=1, keepdim=True)

    def worst(scores, relevant):
        return scores.masked_fill(~relevant, torch.inf).amin(dim=1, keepdim=True)

    def hits(scores, relevant, k):
        return relevant.gather(1, scores.topk(k, dim=1).indices)

    generator = torch.Generator().manual_seed(53)
    scores = torch.rand(40, 12, generator=generator)
    coarse = (4 * scores).round() / 4  # many ties
    one = torch.nn.functional.one_hot(torch.randint(12, (40,), generator=generator), 12).bool()
    several = one | (torch.rand(40, 12, generator=generator) < 0.15)
    square = torch.eye(12, dtype=torch.bool)
    cases = [
        (scores, one, 1),
        (scores, several, 3),
        (coarse, one, 2),
        (coarse, several, 5),
        (torch.zeros(12, 12), square, 5),  # a model that says nothing finds nothing
        (scores[:12], square, 12),
        (scores - 1, several, 2),  # all scores negative
    ]
    mistakes = [
        (
            "Where the right answer ties with others, you count it as found; a model that gives everything "
            "the same score would be perfect. Let a tie stand behind the others.",
            lambda s, r, k: ((s > best(s, r)).sum(dim=1) < k).float().mean(),
        ),
        (
            "Where scores tie, the order that topk or sort happens to give decides; let a right answer stand "
            "behind all wrong ones that it ties with.",
            lambda s, r, k: hits(s, r, k).any(dim=1).float().mean(),
        ),
        (
            "You looked at the first k + 1 answers: found means that fewer than k wrong answers stand before.",
            lambda s, r, k: (((s >= best(s, r)) & ~r).sum(dim=1) <= k).float().mean(),
        ),
        (
            "You looked at the first k - 1 answers: do not count the right answer itself among those before it.",
            lambda s, r, k: (((s >= best(s, r)) & ~r).sum(dim=1) + 1 < k).float().mean(),
        ),
        (
            "A question may have several right answers; it counts as found when its best one is among the first k.",
            lambda s, r, k: (hits(s, r, k).sum(dim=1) / r.sum(dim=1)).mean(),
        ),
        (
            "You let right answers stand in each other's way: count only the wrong answers before the best right one.",
            lambda s, r, k: ((s >= best(s, r)).sum(dim=1) - 1 < k).float().mean(),
        ),
        (
            "You looked for the worst of a question's right answers; it counts as found when its best one is among the "
            "first k.",
            lambda s, r, k: (((s >= worst(s, r)) & ~r).sum(dim=1) < k).float().mean(),
        ),
        (
            "You divided by k; recall@k is the share of questions whose answer is found.",
            lambda s, r, k: (hits(s, r, k).sum(dim=1) / k).mean(),
        ),
        (
            "You returned how many questions are found; divide by the number of questions.",
            lambda s, r, k: float((ranks(s, r) < k).sum()),
        ),
        (
            "You put 0 in place of the wrong answers' scores and then took the largest; where the scores of the "
            "right answers are negative, that 0 wins.",
            lambda s, r, k: (((s >= (s * r).amax(dim=1, keepdim=True)) & ~r).sum(dim=1) < k).float().mean(),
        ),
    ]
    return compare(function, reference, cases, mistakes)


@exercise("05.4", "Labels into templates")
def check_prompts(function) -> Verdict:
    """Every label in every template, label by label."""
    cases = [
        (["cat", "dog"], ["a {}", "the {}", "{}"]),
        (["ankle boot", "bag", "coat"], ["a photo of a {}."]),
        (["hat"], ["{}", "a {} on white"]),
    ]
    for labels, templates in cases:
        result, failed = call(function, (labels, templates), f"With {labels} and {templates}")
        if failed:
            return failed
        problem = _prompts_problem(result, labels, templates)
        if problem:
            return wrong(problem)
    return right(f"The prompts are right on {len(cases)} inputs, and in the order that the next exercise counts on.")


def _prompts_problem(result, labels, templates):
    """What is wrong with the prompts, or None."""
    if problem := form_problem(result, [""]):
        return problem
    if not isinstance(result, tuple | list):
        return f"Your function returned {kind_of(result)}; a list of strings is wanted."
    rows = [[template.replace("{}", label) for template in templates] for label in labels]
    expected = [prompt for row in rows for prompt in row]
    result = list(result)
    if result == expected:
        return None
    if any(isinstance(part, tuple | list) for part in result):
        return "Your function returned lists within a list; one flat list of prompts is wanted."
    if not all(isinstance(part, str) for part in result):
        return "Not all that your function returned are strings."
    if result == [row[i] for i in range(len(templates)) for row in rows]:
        return (
            "You went template by template; go label by label: first all templates with the first label, then all with "
            "the second."
        )
    if any("{" in prompt or "}" in prompt for prompt in result):
        return "Some prompts still have {} in them: put the label in its place."
    if result == [f"{template} {label}" for label in labels for template in templates]:
        return "You put the label behind the template; it belongs where {} stands."
    if len(result) != len(expected):
        return (
            f"{len(labels)} labels in {len(templates)} templates make {len(expected)} prompts; your function returned "
            f"{len(result)}."
        )
    if sorted(result) == sorted(expected):
        return "The prompts are right, but in another order: go label by label, each in the order of the templates."
    first = next(i for i, pair in enumerate(zip(result, expected, strict=True)) if pair[0] != pair[1])
    return f"Prompt {first + 1} of {len(expected)} is {result[first]!r}, which is not what label and template make."


@exercise("05.5", "Average over templates")
def check_average_templates(function) -> Verdict:
    """The best label by the mean over its templates."""

    def reference(scores, c, m):
        return scores.unflatten(1, (c, m)).mean(dim=2).argmax(dim=1)

    # Scores of 0 to 1 with a label that has the best single prompt, another the best mean.
    scores = torch.rand(40, 12, generator=torch.Generator().manual_seed(51))
    cases = [(scores, 3, 4), (scores, 6, 2), (scores, 12, 1), (scores[:1], 2, 6), (scores[:2, :4], 2, 2)]
    mistakes = [
        (
            "You returned the best column, which is a prompt; average the prompts of each label first, and "
            "return the label.",
            lambda s, c, m: s.argmax(dim=1),
        ),
        (
            "You took the label of the best single prompt, the largest over the templates; here the mean is wanted.",
            lambda s, c, m: s.unflatten(1, (c, m)).amax(dim=2).argmax(dim=1),
        ),
        (
            "You mixed up the order of the columns: the m templates of the first label come first, then those "
            "of the second; so the shape is (q, c, m).",
            lambda s, c, m: s.unflatten(1, (m, c)).mean(dim=1).argmax(dim=1),
        ),
        (
            "You averaged over the labels and chose a template; average over the templates and choose a label.",
            lambda s, c, m: s.unflatten(1, (c, m)).mean(dim=1).argmax(dim=1),
        ),
        (
            "You returned the scores of the labels; the position of the best one is wanted.",
            lambda s, c, m: s.unflatten(1, (c, m)).mean(dim=2),
        ),
        (
            "You returned the best score of each picture; the position of the best label is wanted.",
            lambda s, c, m: s.unflatten(1, (c, m)).mean(dim=2).amax(dim=1),
        ),
        (
            "You used the same number of templates on every input; it is given as m.",
            lambda s, c, m: s.unflatten(1, (-1, 4)).mean(dim=2).argmax(dim=1),
        ),
        ("Your positions are one too large: positions start at 0.", lambda s, c, m: reference(s, c, m) + 1),
    ]
    return compare(function, reference, cases, mistakes)
