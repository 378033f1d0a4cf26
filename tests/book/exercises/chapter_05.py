"""Solutions of chapter 05, zero-shot evaluation, as students write them."""

import numpy as np
import torch


def recall(scores, relevant, k):
    places = []
    for row, right in zip(scores, relevant, strict=True):
        places.append(int((row[~right] >= row[right].max()).sum()))
    return sum(place < k for place in places) / len(places)


def interval(items, resamples, seed, low=0.025, high=0.975, replacement=True):
    generator = torch.Generator().manual_seed(seed + 100)
    n = len(items)
    draw = torch.randint(n, (resamples, n), generator=generator)
    if not replacement:
        draw = torch.arange(n).repeat(resamples, 1)
    means = items[draw].mean(dim=1).sort().values
    return means[int(low * (resamples - 1))].item(), means[int(high * (resamples - 1))].item()


def bootstrap_means(items, resamples, seed, dim=1):
    draws = torch.randint(len(items), (resamples, len(items)), generator=torch.Generator().manual_seed(seed))
    return items[draws].mean(dim=dim)


def paired(a, b, resamples, seed):
    difference = a - b
    return float(difference.mean()), *interval(difference, resamples, seed)


def middle(a, b, resamples, seed):
    low, high = interval(a - b, resamples, seed)
    return (low + high) / 2, low, high


def mean_of_resamples(a, b, resamples, seed):
    return float(bootstrap_means(a - b, resamples, seed).mean()), *interval(a - b, resamples, seed)


def prompts_in_loops(labels, templates):
    prompts = []
    for label in labels:
        for template in templates:
            prompts.append(template.format(label))
    return prompts


def template_first(labels, templates):
    return [template.format(label) for template in templates for label in labels]


def split_means(scores, c, m):
    return torch.stack([block.mean(1) for block in scores.split(m, dim=1)], 1).argmax(1)


PARTS = {"cat": "tail", "dog": "nose", "hat": "brim"}


def wordings(classes):
    return [
        [[f"a photo of a {name}."] for name in classes],
        [[f"a grey {name}"] for name in classes],
        [[f"a {name} on white", f"a {name}"] for name in classes],
        [[f"a {name} with a {PARTS[name]}"] for name in classes],
    ]


def investigates(classes, measure):
    return max(wordings(classes), key=lambda prompts: float(measure(prompts).float().mean()))


def without_measuring(classes, measure):
    return wordings(classes)[3]


def returns_another(classes, measure):
    for prompts in wordings(classes)[:2]:
        measure(prompts)
    return wordings(classes)[3]


def tries_only_weak_ones(classes, measure):
    weak = [[["white"], ["grey"], ["photo"]], [["a"], ["of"], ["on"]]]
    return max(weak, key=lambda prompts: float(measure(prompts).float().mean()))


def stays_with_the_baseline(classes, measure):
    first = wordings(classes)[0]
    measure(first), measure([["white"], ["grey"], ["photo"]])
    return first


RIGHT = {
    "05.1": [recall],
    "05.2": [interval, lambda x, r, s: np.percentile(bootstrap_means(x, r, s).numpy(), [2.5, 97.5])],
    "05.3": [paired],
    "05.4": [prompts_in_loops, lambda labels, templates: [t.replace("{}", x) for x in labels for t in templates]],
    "05.5": [split_means],
    "05.6": [investigates],
}

WRONG = {
    "05.2": [
        (lambda x, r, s: interval(x, r, int(np.random.default_rng().integers(10**6))), "same seed"),
        (lambda x, r, s: interval(x, r, 0), "ignores the seed"),
    ],
    "05.3": [(middle, "not the middle of the interval"), (mean_of_resamples, "or the mean of the resamples")],
    "05.4": [
        (template_first, "label by label"),
        (lambda labels, templates: [[t.format(x) for t in templates] for x in labels], "lists within a list"),
        (lambda labels, templates: [t + " " + x for x in labels for t in templates], "behind the template"),
        (lambda labels, templates: [t for x in labels for t in templates], "still have {}"),
        (lambda labels, templates: [x for x in labels for t in templates], "Prompt 1 of 6 is 'cat'"),
        (lambda labels, templates: sorted(prompts_in_loops(labels, templates)), "another order"),
        (lambda labels, templates: ", ".join(prompts_in_loops(labels, templates)), "a list of strings is wanted"),
    ],
    "05.6": [
        (without_measuring, "measured 0 wordings"),
        (returns_another, "did not measure"),
        (tries_only_weak_ones, "go on trying"),
        (stays_with_the_baseline, "the wording to beat, and measured none that is better"),
        (lambda names, measure: min(wordings(names), key=lambda w: float(measure(w).sum())), "min for max"),
        (lambda classes, measure: [f"a {name}" for name in classes], "a str; a list of strings"),
    ],
}
