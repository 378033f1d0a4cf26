"""Solutions of chapter 06, interpretability, as students write them."""

from functools import cache

import numpy as np
import torch
from sklearn.metrics import roc_auc_score

from asif_book.checks import EXERCISES


def contributions_in_loops(image, prompts):
    total = torch.zeros(len(image))
    for prompt in prompts:
        for i in range(len(image)):
            total[i] += image[i] * prompt[i]
    return total / len(prompts)


def falls_by_removal(image, text):
    lists, score, falls = torch.stack([image, text]), image @ text, []
    for i in range(len(image)):
        rest = torch.cat([lists[:, :i], lists[:, i + 1 :]], dim=1)
        rest = rest / rest.norm(dim=1, keepdim=True)
        falls.append(score - rest[0] @ rest[1])
    return torch.stack(falls)


def four_steps(rows, k, p):
    values, where = rows.topk(k, dim=1)
    values = values.clamp_min(0) ** p
    vectors = torch.zeros_like(rows).scatter(1, where, values)
    return vectors / vectors.norm(dim=1, keepdim=True).clamp_min(1e-12)


def with_all(image, texts, k, p):
    return four_steps(texts, k, p) @ four_steps(image.unsqueeze(0), k, p)[0]


def without(image, texts, anchor, k, p):
    keep = [i for i in range(len(image)) if i != anchor]
    return with_all(image[keep], texts[:, keep], k, p)


def lead(scores, winner):
    return float(scores[winner] - max(s for i, s in enumerate(scores) if i != winner))


def leads(image, texts, k, p):
    winner = int(with_all(image, texts, k, p).argmax())
    return [lead(without(image, texts, a, k, p), winner) for a in range(len(image))]


def flip(image, texts, k, p):
    each = leads(image, texts, k, p)
    return int(np.argmin(each)) if min(each) < 0 else -1


def first_flip(image, texts, k, p):
    return next((a for a, gap in enumerate(leads(image, texts, k, p)) if gap < 0), -1)


def auc_in_loops(scores, wrong):
    points = 0.0
    for bad in scores[wrong]:
        for good in scores[~wrong]:
            points += 1.0 if bad < good else 0.5 if bad == good else 0.0
    return points / (int(wrong.sum()) * int((~wrong).sum()))


def ties(scores, wrong):
    return float((scores[wrong][:, None] == scores[~wrong]).float().mean())


def explain(task, picture):
    anchors = []
    while task.without(anchors)[picture] != task.labels[picture]:
        anchors.append(task.speaking_for(picture, anchors)[0])
    for anchor in list(anchors):
        rest = [a for a in anchors if a != anchor]
        if rest and task.without(rest)[picture] == task.labels[picture]:
            anchors = rest
    after = task.without(anchors)
    return picture, anchors, int(((task.predicted == task.labels) & (after != task.labels)).sum())


def explainable(task):
    """A failure whose repair needs several anchors and harms other pictures, so that every mistake shows."""
    found = {i: explain(task, i) for i in task.wrong}
    return next(i for i, (_, anchors, harmed) in found.items() if 1 < len(anchors) <= 12 and harmed)


@cache
def evidence():
    """The evidence of the task that a check makes up: each such task is the same."""
    task = EXERCISES["06.6"].task.made_up()
    return explain(task, explainable(task))


def solved(task):
    picture, anchors, harmed = evidence()
    return picture, list(anchors), harmed


def changed(**parts):
    """The right evidence with some of its parts changed."""

    def function(task):
        result = dict(zip(("picture", "anchors", "harmed"), solved(task), strict=True))
        result |= {part: change(task, result) for part, change in parts.items()}
        return tuple(result.values())

    return function


def after_the_removal(task, result):
    return task.without(result["anchors"]), task.labels


def healed(task, result):
    after, labels = after_the_removal(task, result)
    return int(((task.predicted != labels) & (after == labels)).sum())


def all_wrong(task, result):
    after, labels = after_the_removal(task, result)
    return int((after != labels).sum())


def to_a_third_label(task):
    """Goes on until the label is neither the one that was given nor the right one."""
    for picture in task.wrong:
        anchors, label = [], task.predicted[picture]
        while label in (task.predicted[picture], task.labels[picture]) and len(anchors) < 12:
            anchors.append(task.speaking_for(picture, anchors)[0])
            label = task.without(anchors)[picture]
        if label not in (task.predicted[picture], task.labels[picture]):
            return picture, anchors, 0


def one_too_many(task, result):
    return [*result["anchors"], next(a for a in range(60) if a not in result["anchors"])]


RIGHT = {
    "06.1": [contributions_in_loops], "06.2": [falls_by_removal], "06.3": [without],
    "06.4": [flip], "06.5": [auc_in_loops, lambda s, w: roc_auc_score(w.numpy(), -s.numpy())],
    "06.6": [solved, lambda task: explain(task, 29)],
}  # fmt: skip

WRONG = {
    "06.2": [(lambda x, y: x @ y - falls_by_removal(x, y), "minus it")],
    "06.4": [
        (lambda *c: 0, "Your function says 0 on every input"),
        (lambda *c: flip(*c) if flip(*c) >= 0 else 5, "On input 6 without your anchor 5"),
        (lambda *c: flip(*c) if flip(*c) != 16 else -1, "On input 2 your function says -1"),
        (lambda *c: flip(*c) if flip(*c) != 16 else first_flip(*c), "the old winner lies further behind"),
        (lambda *c: flip(*c) + 24, "the anchors are 0 to 23"),
    ],
    "06.5": [(lambda s, w: auc_in_loops(s, w) + ties(s, w) / 4, "(some scores are tied)")],
    "06.6": [
        (changed(picture=lambda t, r: int(np.flatnonzero(t.predicted == t.labels)[0])), "which is right"),
        (
            changed(anchors=lambda t, r: [next(a for a in range(60) if a not in t.speaking_for(r["picture"]))]),
            "still gets",
        ),
        (to_a_third_label, "not the right one"),
        (changed(anchors=one_too_many), "is not needed"),
        (changed(anchors=lambda t, r: []), "name no anchor"),
        (changed(anchors=lambda t, r: t.speaking_for(r["picture"]) + list(range(20))), "at most 12"),
        (changed(anchors=lambda t, r: r["anchors"] * 2), "each once"),
        (changed(harmed=healed), "that become right"),
        (changed(harmed=all_wrong), "whatever they were before"),
        (changed(harmed=lambda t, r: r["harmed"] + 100), "finds another number"),
        (changed(picture=lambda t, r: len(t.labels)), "There is no picture"),
        (lambda task: solved(task)[:2], "three things"),
    ],
}
