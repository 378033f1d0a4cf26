"""Checks of chapter 01, encoders."""

import torch

from .core import Verdict, compare, random_tensor

ZERO_DIAGONAL = "You set the diagonal to 0; negative cosines are still smaller than that: use −inf."


def check_cosine_matrix(function) -> Verdict:
    """Exercise 01.1: cosines of q rows (q, d) and n rows (n, d), shape (q, n)."""
    from ..relative import relative_representation as reference
    from ..relative import unit_rows

    x = random_tensor(3, 4, seed=1)
    cases = [
        (x, random_tensor(5, 4, seed=2)),
        (random_tensor(4, 4, seed=3), random_tensor(4, 4, seed=4)),
        (x * torch.tensor([[1e-3], [1.0], [1e3]]), x),
        (random_tensor(1, 384, seed=5), random_tensor(7, 384, seed=6)),
        (torch.cat([x, torch.zeros(1, 4)]), x),
    ]

    def columns(z):
        return z / z.norm(dim=0, keepdim=True)

    def rows(z):
        return z / z.norm(dim=1, keepdim=True)

    mistakes = [
        ("A row of zeros gave 0/0; by agreement its cosine with everything is 0.",
         lambda a, b: rows(a) @ rows(b).T),
        ("You normalised columns, not rows: the norm runs along dim=1.",
         lambda a, b: columns(a) @ columns(b).T),
        ("These are dot products; scale the rows of both matrices to length 1 first.", lambda a, b: a @ b.T),
        ("You normalised only the first matrix.", lambda a, b: unit_rows(a) @ b.T),
        ("You normalised only the second matrix.", lambda a, b: a @ unit_rows(b).T),
        ("You divided by one norm for the whole matrix; every row has its own.",
         lambda a, b: (a / a.norm()) @ (b / b.norm()).T),
        ("Rows and columns are swapped: row i belongs to row i of the first matrix.",
         lambda a, b: reference(b, a)),
    ]  # fmt: skip
    return compare("Exercise 01.1", function, reference, cases, mistakes)


def check_nearest_neighbours(function) -> Verdict:
    """Exercise 01.2: positions (n, m) of the m rows of (n, d) with the largest cosine, without the row itself."""
    from ..relative import unit_rows

    def cosines(z):
        z = unit_rows(z)
        return z @ z.T

    def reference(z, m):
        return cosines(z).fill_diagonal_(-2).topk(m, dim=1).indices

    row = random_tensor(1, 6, seed=3)
    x = random_tensor(9, 6, seed=1)
    cases = [
        (x, 3),
        (random_tensor(12, 4, seed=2) * torch.linspace(0.1, 30, 12)[:, None], 4),
        (torch.cat([row.repeat(7, 1), x]), 5),
        (x, 8),
        (random_tensor(40, 384, seed=4), 1),
    ]
    mistakes = [
        ("Every row finds itself first; leave it out before you take the largest.",
         lambda z, m: cosines(z).topk(m, dim=1).indices),
        ("You dropped the first column as if it were always the row itself; where pictures are there twice, "
         "it is not. Set the diagonal to a value that cannot win instead.",
         lambda z, m: cosines(z).topk(m + 1, dim=1).indices[:, 1:]),
        (ZERO_DIAGONAL, lambda z, m: cosines(z).fill_diagonal_(0).topk(m, dim=1).indices),
        ("These are the farthest rows; sort by falling cosine.",
         lambda z, m: cosines(z).fill_diagonal_(2).topk(m, dim=1, largest=False).indices),
        ("You compared dot products, so long vectors win; scale the rows to length 1 first.",
         lambda z, m: (z @ z.T).fill_diagonal_(-torch.inf).topk(m, dim=1).indices),
        ("You compared Euclidean distances of vectors of different lengths; use the cosine.",
         lambda z, m: torch.cdist(z, z).fill_diagonal_(torch.inf).topk(m, dim=1, largest=False).indices),
        ("These are cosines; positions are wanted, which topk gives as indices.",
         lambda z, m: cosines(z).fill_diagonal_(-2).topk(m, dim=1).values),
    ]  # fmt: skip

    def found(answer):
        """The cosines at the answer's positions, so that ties may stand in any order; 2 for the row itself."""

        def run(z, m):
            similarity = cosines(z).fill_diagonal_(2)
            positions = answer(z, m)
            try:
                positions = torch.as_tensor(positions)
            except (TypeError, ValueError, RuntimeError):
                return positions
            n = len(z)
            if positions.shape != (n, m):
                return positions
            if positions.is_floating_point() or positions.dtype == torch.bool:
                return positions.float() + 10  # no positions at all
            if ((positions < 0) | (positions >= n)).any():
                raise IndexError(f"positions run from 0 to {n - 1}")
            if any(len(set(row)) < m for row in positions.tolist()):
                raise ValueError("a position stands twice in one row")
            return similarity.gather(1, positions.long())

        return run

    return compare("Exercise 01.2", found(function), found(reference), cases, [(t, found(w)) for t, w in mistakes])


def check_mean_pooling(function) -> Verdict:
    """Exercise 01.3: token vectors (n, t, d) and a mask (n, t) of 1 for tokens, 0 for padding; means (n, d)."""

    def reference(tokens, mask):
        mask = mask.float()[:, :, None]
        return (tokens * mask).sum(dim=1) / mask.sum(dim=1).clamp_min(1)

    cases = [
        (random_tensor(2, 4, 3, seed=1), torch.tensor([[1, 1, 1, 0], [1, 1, 0, 0]])),
        (random_tensor(3, 2, 5, seed=2), torch.ones(3, 2, dtype=torch.int64)),
        (random_tensor(1, 6, 8, seed=3), torch.tensor([[1, 0, 0, 0, 0, 0]])),
        (random_tensor(2, 3, 4, seed=4), torch.tensor([[1, 1, 0], [0, 0, 0]])),
    ]
    mistakes = [
        ("A text without a single token gave 0/0; by agreement its vector is 0.",
         lambda tokens, mask: (tokens * mask[:, :, None]).sum(dim=1) / mask.sum(dim=1, keepdim=True)),
        ("Padding took part in the mean; weight the tokens by the mask.",
         lambda tokens, mask: tokens.mean(dim=1)),
        ("You left padding out of the sum but not out of the count; divide by the number of real tokens.",
         lambda tokens, mask: (tokens * mask[:, :, None]).mean(dim=1)),
        ("This is the sum; divide by the number of real tokens.",
         lambda tokens, mask: (tokens * mask[:, :, None]).sum(dim=1)),
        ("This is the first token's vector; take the mean over all real tokens.",
         lambda tokens, mask: tokens[:, 0]),
        ("You averaged over the dimensions of each token; average over the tokens (dim=1).",
         lambda tokens, mask: tokens.mean(dim=2)),
    ]  # fmt: skip
    return compare("Exercise 01.3", function, reference, cases, mistakes)
