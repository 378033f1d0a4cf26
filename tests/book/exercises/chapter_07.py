"""Solutions of chapter 07, editing a model, as students write them."""

import numpy as np
import torch

from asif_lib.evaluation.measures import paired_difference


def add(image, text, new_image, new_text, partner):
    image = torch.cat([image, new_image], dim=0)
    text = torch.cat([text, new_text[partner]], dim=0)
    return image, text, image.mean(0), max(1, round(0.1 * len(image)))


def add_in_a_loop(image, text, new_image, new_text, partner):
    pictures, captions = list(image), list(text)
    for i in range(len(new_image)):
        pictures.append(new_image[i])
        captions.append(new_text[int(partner[i])])
    n = len(pictures)
    return [torch.stack(pictures), torch.stack(captions), sum(pictures) / n, torch.tensor(max(1, round(n / 10)))]


def pictures_only(image, text, new_image, new_text, partner):
    image = torch.vstack([image, new_image])
    return image, text, image.mean(0), max(1, round(len(image) / 10))


def captions_only(image, text, new_image, new_text, partner):
    text = torch.vstack([text, new_text[partner]])
    return image, text, image.mean(0), max(1, round(len(image) / 10))


def by_sums(mean, n, added, removed):
    total = mean * n + added.sum(0) - removed.sum(0)
    return total / (n + added.shape[0] - removed.shape[0])


def row_by_row(mean, n, added, removed):
    mean = mean.clone()
    for row in added:
        n += 1
        mean += (row - mean) / n
    for row in removed:
        n -= 1
        mean -= (row - mean) / n
    return mean


def interval(before, after):
    gap = paired_difference(after.numpy(), before.numpy(), 3)
    return gap.low, gap.high


def by_bootstrap(before, after, margin):
    low, high = interval(before, after)
    if low > -margin and high < margin:
        return "unchanged"
    if low > margin or high < -margin:
        return "changed"
    return "cannot tell"


def by_normal_interval(before, after, margin):
    gap = (after - before).numpy()
    half = 1.96 * gap.std(ddof=1) / np.sqrt(len(gap))
    if abs(gap.mean()) + half < margin:
        return "unchanged"
    return "changed" if abs(gap.mean()) - half > margin else "cannot tell"


def holds_zero(before, after, margin):
    low, high = interval(before, after)
    return "unchanged" if low < 0 < high else "changed"


def misses_zero(before, after, margin):
    low, high = interval(before, after)
    if low > -margin and high < margin:
        return "unchanged"
    return "changed" if low > 0 or high < 0 else "cannot tell"


def inside(name, group):
    return (name + "/").startswith(group + "/")


def forget(image, text, groups, group):
    keep = torch.tensor([not inside(name, group) for name in groups])
    return image[keep], text[keep], keep.nonzero()[:, 0]


def forget_by_lists(image, text, groups, group):
    rows = [i for i, name in enumerate(groups) if name.split("/")[: len(group.split("/"))] != group.split("/")]
    return image[rows], text[rows], torch.tensor(rows)


def forget_where(fits):
    def solution(image, text, groups, group):
        rows = torch.tensor([i for i, name in enumerate(groups) if not fits(name, group)], dtype=torch.long)
        return image[rows], text[rows], rows

    return solution


def harm(images, prompts, labels):
    given = (images @ prompts.T).argmax(1)
    return (images * (prompts[given] - prompts[labels])).mean(0)


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


def most_neighbours(image, labels, per_class):
    x = torch.nn.functional.normalize(image - image.mean(0), dim=1)
    own = (x @ x.T) * torch.where(labels[:, None] == labels, 1.0, -1.0)
    score = own.mean(1)
    ranked = [r[score[r].argsort(descending=True)] for r in ((labels == c).nonzero()[:, 0] for c in labels.unique())]
    return torch.cat([r[:per_class] for r in ranked])


def farthest_from_the_mean(image, labels, per_class):
    chosen = []
    for c in range(int(labels.max()) + 1):
        rows = torch.where(labels == c)[0]
        x = torch.nn.functional.normalize(image[rows] - image.mean(0), dim=1)
        chosen.append(rows[(-(x @ x.median(0).values)).topk(per_class).indices])
    return torch.cat(chosen)


def at_random(image, labels, per_class):
    rows = [(labels == c).nonzero()[:, 0] for c in range(int(labels.max()) + 1)]
    seed = int(np.random.default_rng().integers(10**9))
    return torch.cat([r[torch.from_numpy(np.random.default_rng(seed).permutation(len(r)))[:per_class]] for r in rows])


RIGHT = {
    "07.1": [add, add_in_a_loop],
    "07.2": [by_sums, row_by_row],
    "07.3": [by_bootstrap, by_normal_interval],
    "07.4": [forget, forget_by_lists],
    "07.5": [harm, harm_in_a_loop],
    "07.6": [typical, most_neighbours],
}

WRONG = {
    "07.1": [
        (pictures_only, "Only the pictures' matrix grew"),
        (captions_only, "Only the captions' matrix grew"),
        (lambda i, t, ni, nt, p: (torch.cat([i, ni]), torch.cat([t, nt[p]])), "4 results"),
    ],
    "07.2": [
        (lambda mean, n, a, r: torch.stack([mean, a.mean(0)]).mean(0), "equally many rows"),
        (lambda mean, n, a, r: mean + a.mean(0) - r.mean(0), "Means do not add up"),
        (lambda mean, n, a, r: mean.add_(a.sum(0)), "changed its input"),
    ],
    "07.3": [
        (holds_zero, "Not significant"),
        (misses_zero, "beyond the margin"),
        (lambda b, a, m: by_bootstrap(b, a, m) == "unchanged", ""),
    ],
    "07.4": [
        (lambda i, t, g, x: forget_where(lambda a, b: not inside(a, b))(i, t, g, x), "turn the mask round"),
        (lambda i, t, g, x: (forget(i, t, g, x)[0], t, forget(i, t, g, x)[2]), "from the pictures only"),
        (lambda i, t, g, x: forget(i, t, g, x)[:2], "3 results"),
    ],
    "07.5": [
        (lambda i, p, y: (i * p[(i @ p.T).argmax(1)]).mean(0), "looks guilty"),
        (lambda i, p, y: (i * p[y]).mean(0), "help, not harm"),
        (lambda i, p, y: harm(i, p, y).argmax(), "you took the position of the largest"),
    ],
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
