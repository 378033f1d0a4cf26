"""Checks of chapter 90, the appendix on PyTorch."""

import torch

from asif_book.checks.catalogue import but, columns, unsafe_rows
from asif_book.checks.exercise import Exercise
from asif_book.checks.judging import random_tensor

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
    "1).": lambda z: z / z.norm(dim=1),
    "You scaled the columns; the length of a row runs along dim=1.": columns,
    "You multiplied by the length; divide by it.": lambda z: z * z.norm(dim=1, keepdim=True),
    "You divided by the mean of the row; divide by its length.": lambda z: z / z.mean(1, keepdim=True),
    "These are the lengths; divide the rows by them.": (
        lambda z: z.norm(dim=1, keepdim=True),
        lambda z: z.norm(dim=1),
    ),
}
check_unit_length = Exercise("90.1", "Rows of length 1", unsafe_rows, cases, mistakes, no_loop=True)


def largest_elsewhere(scores, column, *, value=-torch.inf, at=lambda others: others.argmax(dim=1)):
    return at(scores.index_fill(1, torch.tensor(column), value))


cases = [  # the first is square, so that a wrong dim fits, and its result has a name
    (torch.tensor([[2.0, 9.0, 1.0], [7.0, 3.0, 8.0], [-1.0, -2.0, -3.0]]), 1),
    (torch.tensor([[5.0, -1.0, -2.0, -3.0], [-4.0, -3.0, -2.0, -5.0], [1.0, 2.0, 3.0, 4.0]]), 0),
    (random_tensor(6, 5, seed=4), 4),
    (random_tensor(4, 8, seed=5).sub(3), 2),
    (torch.tensor([[0.5, 0.25]]), 0),
]
mistakes = {
    "You left no column out: this is the largest entry of each row.": lambda scores, column: scores.argmax(dim=1),
    "You removed the column, so the positions after it moved by one. Write -torch.inf into it, in a copy.": (
        lambda scores, column: torch.cat([scores[:, :column], scores[:, column + 1 :]], dim=1).argmax(dim=1)
    ),
    "The number that you wrote into the column is not small enough: where the other entries are lower, it wins. Use "
    "-torch.inf.": (but(value=0), but(value=-1)),
    "You searched the whole matrix; dim=1 gives one position for each row.": but(at=torch.argmax),
    "These are the largest entries; positions are wanted: argmax.": but(at=lambda others: others.amax(dim=1)),
    "These are the smallest entries; the largest are wanted.": (
        but(value=torch.inf, at=lambda others: others.argmin(dim=1)),
        but(at=lambda others: others.argmin(dim=1)),
        lambda scores, column: scores.argmin(dim=1),
    ),
    "You took the second largest of each row; the largest is right where it stands in another column.": (
        lambda scores, column: scores.topk(2, dim=1).indices[:, 1]
    ),
    "You left a row out; a colon before the comma means all rows: [:, column].": (
        lambda scores, row: scores.index_fill(0, torch.tensor(row), -torch.inf).argmax(dim=1)
    ),
    "Positions begin at 0.": but(at=lambda others: others.argmax(dim=1) + 1),
    "You kept the dimension; one position for each row is wanted, of shape (n,).": but(
        at=lambda others: others.argmax(dim=1, keepdim=True)
    ),
}
check_largest_elsewhere = Exercise(
    "90.2", "The largest entry elsewhere", largest_elsewhere, cases, mistakes, word="positions", no_loop=True
)
