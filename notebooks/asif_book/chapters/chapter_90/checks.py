"""Checks of chapter 90, the appendix on PyTorch."""

import torch

from asif_book.checks.catalogue import but, columns
from asif_book.checks.exercise import Exercise
from asif_book.checks.judging import random_tensor


def unit_length(z):
    return z / z.norm(dim=1, keepdim=True)


SQUARE = random_tensor(3, 3, seed=1)

cases = [  # the first is square, so that a wrong broadcast fits, and its result has a name
    (SQUARE,),
    (torch.tensor([[3.0, 4.0, 0.0, 0.0], [1.0, 2.0, 2.0, 4.0], [0.0, -6.0, 8.0, 0.0]]),),
    (random_tensor(5, 2, seed=2) * torch.tensor([[1e-3], [0.1], [1.0], [30.0], [1e3]]),),
    (random_tensor(1, 6, seed=3),),
    (torch.tensor([[-2.0], [5.0]]),),
]
mistakes = {
    "Shapes line up from the right: without keepdim=True the lengths, shape (n,), meet the columns. Make them (n, "
    "1).": but(", keepdim=True", ""),
    "You scaled the columns; the length of a row runs along dim=1.": columns,
    "These are the lengths; divide the rows by them.": (but("z / ", ""), lambda z: z.norm(dim=1)),
}
check_unit_length = Exercise("90.1", "Rows of length 1", unit_length, cases, mistakes, no_loop=True)


def largest_elsewhere(scores, column):
    others = scores.clone()
    others[:, column] = -torch.inf
    return others.argmax(dim=1)


cases = [  # the first is square, so that a wrong dim fits, and its result has a name
    (torch.tensor([[2.0, 9.0, 1.0], [7.0, 3.0, 8.0], [-1.0, -2.0, -3.0]]), 1),
    (torch.tensor([[5.0, -1.0, -2.0, -3.0], [-4.0, -3.0, -2.0, -5.0], [1.0, 2.0, 3.0, 4.0]]), 0),
    (random_tensor(6, 5, seed=4), 4),
    (random_tensor(4, 8, seed=5).sub(3), 2),
    (torch.tensor([[0.5, 0.25]]), 0),
    (-1e9 * torch.tensor([[1.0, 3.0, 2.0]]), 0),
]
mistakes = {
    "You left no column out: this is the largest entry of each row.": lambda scores, column: scores.argmax(dim=1),
    "You removed the column, so the positions after it moved by one. Write -torch.inf into it, in a copy.": (
        lambda scores, column: torch.cat([scores[:, :column], scores[:, column + 1 :]], dim=1).argmax(dim=1)
    ),
    "The number that you wrote into the column is not small enough: where the other entries are lower, it wins. Use "
    "-torch.inf.": (but("-torch.inf", "0"), but("-torch.inf", "-1")),
    "Take the largest, not the smallest.": but("argmax", "argmin", "-torch.inf", "torch.inf"),
    "The second largest is right only where the largest stands in this column.": lambda scores, column: scores.topk(
        2, dim=1
    ).indices[:, 1],
    "You left a row out; a colon before the comma means all rows: [:, column].": but("[:, column]", "[column]"),
}
check_largest_elsewhere = Exercise(
    "90.2", "The largest entry elsewhere", largest_elsewhere, cases, mistakes,
    notes={6: "all entries far below 0"}, word="positions", no_loop=True,
)  # fmt: skip
