"""Solutions of chapter 07, editing a model, as students write them."""

import numpy as np
import torch

from asif_book.chapters.chapter_07.checks import harm, unchanged


def add_in_a_loop(image, text, new_image, new_text, partner):
    pictures, captions = list(image), list(text)
    for i in range(len(new_image)):
        pictures.append(new_image[i])
        captions.append(new_text[int(partner[i])])
    n = len(pictures)
    return [torch.stack(pictures), torch.stack(captions), sum(pictures) / n, torch.tensor(max(1, round(n / 10)))]


def row_by_row(mean, n, added, removed):
    mean = mean.clone()
    for row in added:
        n += 1
        mean += (row - mean) / n
    for row in removed:
        n -= 1
        mean -= (row - mean) / n
    return mean


def by_normal_interval(before, after, margin):
    gap = (after - before).numpy()
    half = 1.96 * gap.std(ddof=1) / np.sqrt(len(gap))
    if abs(gap.mean()) + half < margin:
        return "unchanged"
    return "changed" if abs(gap.mean()) - half > margin else "cannot tell"


def found_by_trying_limits(members, others, alarm):
    shares = [0.0]
    for limit in others.unique():
        if (others > limit).sum().item() <= alarm * len(others):
            shares.append((members > limit).double().mean().item())
    return max(shares)


def harm_in_a_loop(images, prompts, labels):
    total = torch.zeros(images.shape[1])
    for x, y in zip(images, labels.tolist(), strict=True):
        given = int((prompts @ x).argmax())
        total += x * prompts[given] - x * prompts[y]
    return total / len(images)


def typical(image, labels, per_class):
    chosen = []
    for c in range(int(labels.max()) + 1):
        rows = torch.where(labels == c)[0]
        x = torch.nn.functional.normalize(image[rows] - image.mean(0), dim=1)
        chosen.append(rows[(x @ x.median(0).values).topk(per_class).indices])
    return torch.cat(chosen)


def farthest_from_the_mean(image, labels, per_class):
    chosen = []
    for c in range(int(labels.max()) + 1):
        rows = torch.where(labels == c)[0]
        x = torch.nn.functional.normalize(image[rows] - image.mean(0), dim=1)
        chosen.append(rows[(-(x @ x.median(0).values)).topk(per_class).indices])
    return torch.cat(chosen)


def at_random(image, labels, per_class):
    rows = [(labels == c).nonzero()[:, 0] for c in range(int(labels.max()) + 1)]
    rng = np.random.default_rng()  # one for all classes: with two of thirty in one class, two calls agree now and then
    return torch.cat([r[torch.from_numpy(rng.permutation(len(r)))[:per_class]] for r in rows])


RIGHT = {
    "07.1": [add_in_a_loop], "07.2": [row_by_row], "07.3": [by_normal_interval], "07.4": [found_by_trying_limits],
    "07.5": [harm_in_a_loop], "07.6": [typical],
}  # fmt: skip

WRONG = {
    "07.3": [(lambda b, a, m: unchanged(b, a, m) == "unchanged", "")],
    "07.5": [(lambda i, p, y: harm(i, p, y).argmax(), "you took the position of the largest")],
    "07.6": [
        (farthest_from_the_mean, "random choices teach more"),
        (at_random, "chose two lessons"),
        (lambda i, y, m: typical(i, y, m + 1), "2 of each of 4 classes"),
        (lambda i, y, m: typical(i, y, m)[::2].repeat_interleave(2), "twice"),
        (lambda i, y, m: typical(i, y * 0, 8), "2 of each class are wanted"),
        (lambda i, y, m: torch.arange(8) + 200, "not in the pool"),
        (lambda i, y, m: typical(i, y, m).float(), "positions are int64"),
        (lambda i, y, m: torch.arange(len(y)) < 8, "mask"),
    ],
}
