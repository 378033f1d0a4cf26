"""Solutions of chapter 04, sparsification, as students write them."""

import torch
import torch.nn.functional as F

from asif_book.chapters.chapter_04.checks import choice


def masked_power(relative, p):
    kept = torch.where(relative > 0, relative, torch.zeros_like(relative))
    return kept**p


def row_by_row(relative, k, p):
    result = torch.zeros_like(relative)
    for i, row in enumerate(relative):
        order = row.argsort(descending=True)[:k]
        values = row[order].clamp(min=0) ** p
        length = (values**2).sum().sqrt()
        if length > 0:
            result[i, order] = values / length
    return result


def into_rows(relative, k, p):
    out, top = torch.zeros_like(relative), relative.topk(k)
    out[top.indices] = top.values
    return out


def by_threshold(relative, k, p):
    smallest = relative.topk(k, dim=1).values[:, -1:]
    return F.normalize((relative * (relative >= smallest)).clamp_min(0) ** p, dim=1)


def one_standard_error_in_loops(evaluate, ks, ps):
    best, error = -1, 0
    for k in ks:
        for p in ps:
            value, e = evaluate(k, p, "validation")
            if value > best:
                best, error = value, e
    for k in sorted(ks):
        for p in sorted(ps):
            if evaluate(k, p, "validation")[0] >= best - error:
                return k, p, evaluate(k, p, "test")[0]


def settings(evaluate, ks, ps, split="validation"):
    return {(k, p): evaluate(k, p, split) for k in ks for p in ps}


def peeks_and_chooses_well(evaluate, ks, ps):
    tests = settings(evaluate, ks, ps, "test")
    k, p, _ = choice(evaluate, ks, ps)
    return k, p, tests[k, p][0]


def wrong_split_name(evaluate, ks, ps):
    return settings(evaluate, ks, ps, "val")


def trap(n):
    image, captions = torch.zeros(n), torch.zeros(2, n)
    image[0], image[1] = 0.5, -0.8
    captions[0, 0], captions[1, 1] = 0.5, -0.8
    return image, captions


def trap_with(image, first, second):
    def build(n):
        pad = torch.zeros(n - 3)
        rows = [torch.cat([torch.tensor(row), pad]) for row in (image, first, second)]
        return rows[0], torch.stack(rows[1:])

    return build


RIGHT = {
    "04.1": [masked_power], "04.2": [row_by_row], "04.3": [one_standard_error_in_loops], "04.4": [trap],
}  # fmt: skip

WRONG = {
    "04.2": [
        (lambda r, k, p: r[:, :k], "as many entries as `k`; as many as the number of columns"),
        (by_threshold, "your function kept 4"),
        (into_rows, "An index picks whole rows"),
    ],
    "04.3": [
        (peeks_and_chooses_well, "opened the test split for 16 settings"),
        (wrong_split_name, "there is no split 'val'"),
    ],
    "04.4": [
        (trap_with([0.5, 0.5, 0.0], [0.5, 0.0, 0.0], [0.0, 0.5, 0.0]), "or of the second caption is negative"),
        (trap_with([0.5, -0.8, 0.0], [0.0, -0.8, 0.0], [0.5, -0.1, 0.0]), "changed places"),
        (trap_with([0.5, -0.8, 0.0], [0.0, 0.0, 0.5], [0.0, -0.8, 0.0]), "Make both more similar to one anchor"),
        (trap_with([0.8, -0.1, 0.0], [0.8, 0.0, 0.0], [0.0, -0.1, 0.0]), "without the clamp by at least"),
        (trap_with([5.0, -8.0, 0.0], [5.0, 0.0, 0.0], [0.0, -8.0, 0.0]), "between -1 and 1"),
        (lambda n: trap(3), "shapes (3,)"),
        (lambda n: trap(n)[0], "Return two tensors"),
    ],
}
