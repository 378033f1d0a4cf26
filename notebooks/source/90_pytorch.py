# %% [markdown]
# # 90 · Appendix: the PyTorch of this book
#
# > **Question.** How do you compute with whole matrices, without a loop?
#
# <details><summary>Goals, minutes, path, what runs</summary>
#
# - read the shape of a tensor, and pick rows, columns and entries;
# - say along which dimension a sum, a mean or a length is taken;
# - line up two shapes from the right, and tell whether they fit;
# - count and choose entries with a comparison;
# - find the largest entries of each row, and their positions.
#
# **Minutes** {minutes} · **Before this** Python: lists, functions, slices such as
# `x[1:3]`
#
# **What runs** Small made-up tensors, a second on a CPU.
#
# </details>

# %% tags=["parameters", "hide-input"]
# Set up this chapter. Run this cell; you need not read it.
import torch
from torch import Tensor

import asif_book.figures as draw
from asif_book.checks import check_largest_elsewhere, check_unit_length

# %% tags=["hide-input"]
# Draw a subtraction for all rows of a matrix, without a loop.
m = torch.tensor([[3.0, 4.0, 0.0, 0.0], [1.0, 2.0, 2.0, 4.0], [2.0, -2.0, 1.0, 0.0]])
draw.lined_up([{"m": m, "columns": m.amax(dim=0)}])

# %% [markdown]
# ## 1 · Tensors and their shapes
#
# A **tensor** is a block of numbers. Its **shape** tells how many numbers it has along
# each **dimension**. A tensor of one dimension is a **vector**. A tensor of two
# dimensions is a **matrix**: shape (3, 4) means 3 rows and 4 columns.
#
# In this book a matrix is usually a list of vectors: row $i$ describes picture $i$.
# Write the shape of each tensor beside its line, as we do. Most errors then show early.

# %%
v = torch.tensor([1.0, 2.0, 2.0])  # (3,): a vector
rows = [[3.0, 4.0, 0.0, 0.0], [1.0, 2.0, 2.0, 4.0], [2.0, -2.0, 1.0, 0.0]]
m = torch.tensor(rows)  # (3, 4): a matrix with 3 rows and 4 columns
print(v.shape, m.shape, len(m), "rows")

# %% [markdown]
# A single number is a tensor too, of shape (), and it may stand in an `if`. `.item()`
# makes it a Python number. `.tolist()` makes a list of any tensor.

# %%
total = v.sum()  # ()
print(total, total.shape, total.item(), v.tolist())

# %% [markdown]
# ## 2 · Rows, columns, entries
#
# The first index picks rows, and the second index picks columns. Counting starts at 0.
# A colon alone means “all”.

# %%
print(m[0])  # (4,): the first row
print(m[:, 1])  # (3,): the second column
print(m[2, 1])  # (): row 2, column 1
print(m[:, :2])  # (3, 2): the first two columns
print(m[[2, 0]])  # (2, 4): row 2, then row 0

# %% [markdown]
# `None` in an index adds a dimension of size 1, so that a vector becomes a column, or a
# row.

# %%
print(v[:, None].shape, v[None, :].shape)  # (3, 1) and (1, 3)

# %% [markdown]
# An assignment writes into the tensor itself. A function that was given a tensor should
# leave it alone, so take a copy first: `.clone()`. A method whose name ends in `_`,
# such as `fill_diagonal_`, also writes into the tensor.

# %%
copy = m.clone()  # (3, 4)
copy[:, 0] = -torch.inf  # −∞, smaller than every number, in the whole first column
print(copy[0], m[0], sep="\n")

# %% [markdown]
# ## 3 · Along a dimension
#
# `dim=` names the dimension that a sum, a mean or a length runs along. **This dimension
# disappears.** With `dim=1` the sum runs along each row, and leaves one number for each
# row. With `dim=0` it runs down each column, and leaves one number for each column.
#
# **Before you run the next cell:** `m` has shape (3, 4). Which shape has
# `m.sum(dim=0)`, and which shape has `m.sum(dim=1)`?

# %%
print(m.sum())  # (): of all entries
print(m.sum(dim=0))  # (4,): one number for each column
print(m.sum(dim=1))  # (3,): one number for each row

# %% [markdown]
# `norm` is the **length** of a vector: the square root of the sum of the squared
# entries. `keepdim=True` keeps the dimension, with size 1. The next section shows why
# you want this.

# %%
print(m.norm(dim=1))  # (3,): the length of each row
print(m.norm(dim=1, keepdim=True))  # (3, 1): the same, as a column
print(m.norm())  # (): one length for the whole matrix

# %% [markdown]
# ## 4 · Shapes lined up from the right
#
# `+`, `-`, `*` and `/` work entry by entry. The two shapes need not be equal.
# **Broadcasting** lines them up from the right, and compares the sizes:
#
# 1. equal sizes fit;
# 2. a size of 1 is stretched: its entries are used again;
# 3. a missing dimension, on the left, counts as 1;
# 4. all other sizes raise an error.
#
# **Before you run the next cell:** which of these work: (3, 4) with (3, 1)? (3, 4) with
# (3,)?

# %%
# Draw the largest entries of columns and of rows.
columns = m.amax(dim=0)  # (4,): the largest entry of each column
rows = m.amax(dim=1, keepdim=True)  # (3, 1): the largest entry of each row
flat = m.amax(dim=1)  # (3,): the same, without keepdim
draw.lined_up(
    [{"m": m, "columns": columns}, {"m": m, "rows": rows}, {"m": m, "flat": flat}]
)

# %% [markdown]
# **What you see.** Each panel subtracts another tensor from `m`. The table lines up the
# two shapes from the right. The squares below show which entries meet; a dashed square
# is an entry that is used again. The first panel subtracts one number from each column.
# The second panel subtracts one number from each row, thanks to `keepdim=True`. In the
# third panel, `flat` holds the same three numbers. But the sizes do not fit, because
# its 3 stands below the 4 columns.
#
# The error is the lucky case. With a *square* matrix, (3, 3) and (3,) fit. Then a
# number that belongs to a row is subtracted from a column, and nothing warns you.

# %%
square = m[:, :3]  # (3, 3)
print(square - flat)  # (3, 3): wrong: each column gets a row's number
print(square - flat[:, None])  # (3, 3): right: each row gets its own number

# %% [markdown]
# > **How exercises work.** Replace the line that begins with `raise` by your own code,
# > run the cell (Shift+Enter), then run the check below it. After a change, run both
# > again. `z: Tensor` only tells the reader what comes in. The lines in quotes say what
# > to return.

# %% [markdown]
# ### Exercise 90.1 · Rows of length 1
#
# **Difficulty** ●○○○○ · **Minutes** 6
#
# Divide each row of a matrix by its own length, so that each row has length 1. No row
# is all zeros. You need no loop.


# %% tags=["exercise"]
def unit_length(z: Tensor) -> Tensor:
    """Scale each row to length 1.

    z: shape (n, d), float32, no row is all zeros
    returns: shape (n, d), float32
    """
    ### BEGIN SOLUTION
    # keepdim=True keeps lengths as (n, 1), so each row is divided by its own length.
    ### END SOLUTION


# %% tags=["check"]
check_unit_length(unit_length)

# %% [markdown]
# <details><summary>Hint</summary>
#
# Section 3 computes the length of each row. Which shape must the lengths have, so that
# they line up with the rows of a matrix of shape (n, d)?
#
# </details>
# <details><summary>What you should see</summary>
#
# `unit_length(m).norm(dim=1)` is a vector of ones. The first row of `unit_length(m)` is
# 0.6, 0.8, 0, 0.
#
# </details>

# %% [markdown]
# ## 5 · Products
#
# `a * b` multiplies entry by entry. `a @ b` of two vectors is the **dot product**: the
# sum of these products. `.T` turns rows into columns.
#
# `a @ b.T` of two matrices holds *all* dot products: entry $(i, j)$ is the dot product
# of row $i$ of `a` with row $j$ of `b`. The inner sizes must be equal, and they
# disappear: (3, 4) @ (4, 2) has shape (3, 2).

# %%
print(v * v)  # (3,): entry by entry
print(v @ v, (v * v).sum())  # () twice: the same number
two = m[:2]  # (2, 4)
print(m @ two.T)  # (3, 4) @ (4, 2) → (3, 2)

# %% [markdown]
# ## 6 · Comparisons
#
# A comparison gives `True` or `False` for each entry: a **boolean** tensor. Because
# `True` counts as 1 and `False` as 0, the sum counts, and the mean is a share.

# %%
positive = m > 0  # (3, 4), bool
print(positive)
print(positive.sum())  # how many entries are positive
print(positive.float().mean())  # their share, from 0 to 1
print(m[positive])  # only these entries, as a vector

# %% [markdown]
# ## 7 · Kinds of numbers
#
# The **dtype** of a tensor says what its numbers are. Decimal numbers are `float32`,
# whole numbers `int64`, and truth values `bool`. PyTorch gives positions as `int64`.
# `.float()` changes to `float32`. A mean needs decimal numbers, because PyTorch refuses
# the mean of whole numbers, and of truth values.

# %%
whole = torch.tensor([1, 2, 4])  # (3,), int64
print(whole.dtype, v.dtype, positive.dtype)
try:
    whole.mean()
except RuntimeError as error:
    print(str(error).splitlines()[0])
print(whole.float().mean())

# %% [markdown]
# ## 8 · The largest entries, and where they stand
#
# `amax` gives the largest entry, and `argmax` its position. `topk(k, dim=1)` gives both
# for the $k$ largest entries of each row, the largest first: `.values` and `.indices`.
#
# **Before you run the next cell:** the first row of `m` is 3, 4, 0, 0. Which three
# positions does `topk` find in it?

# %%
print(m.amax(dim=1), m.argmax(dim=1), sep="\n")  # (3,) each: values, positions
top = m.topk(3, dim=1)
print(top.values)  # (3, 3), float32
print(top.indices)  # (3, 3), int64

# %% [markdown]
# **What you see.** The first row holds two zeros. Because they are equal, either of
# them may stand third, so never rely on the order of equal entries.

# %% [markdown]
# ### Exercise 90.2 · The largest entry elsewhere
#
# **Difficulty** ●●○○○ · **Minutes** 6
#
# A model gives each picture (row) a score for each label (column). Which label would
# win if one label were forbidden? Return, for each row, the position of the largest
# entry in another column than `column`. The positions are those of the whole matrix.
# The entries of a row are all different, and may be negative. You need no loop.


# %% tags=["exercise"]
def largest_elsewhere(scores: Tensor, column: int) -> Tensor:
    """Return the position of each row's largest entry outside one column.

    scores: shape (n, c), float32
    column: from 0 to c - 1
    returns: shape (n,), int64
    """
    ### BEGIN SOLUTION
    # −∞ in the column that does not count; then argmax finds the best of the others.
    ### END SOLUTION


# %% tags=["check"]
check_largest_elsewhere(largest_elsewhere)

# %% [markdown]
# <details><summary>Hint</summary>
#
# Write a value that cannot win into the column, in a copy of the matrix (section 2).
# Why is 0 not small enough?
#
# </details>
# <details><summary>What you should see</summary>
#
# `largest_elsewhere(m, 1)` is 0, 3, 0. In the first row, column 1 holds the largest
# entry, 4, which is forbidden: 3 wins, at position 0.
#
# </details>

# %% [markdown]
# ## 9 · Other calls of the book
#
# Look calls up here: the open cells of chapters 00 to 05 use no other call of PyTorch.

# %%
# Calls that make a tensor.
six = torch.arange(6)  # (6,): 0, 1, …, 5
print(six, torch.linspace(0, 1, 3))  # whole numbers; equal steps
print(torch.zeros(2), torch.full((2,), 7.0), torch.zeros_like(v))  # filled
print(torch.eye(2, dtype=torch.bool))  # (2, 2): `True` on the diagonal
print(torch.cat([v, v]), torch.stack([v, v]).shape)  # (6,) in a row; (2, 3) as rows
print(torch.from_numpy(v.numpy()))  # to NumPy, and back
generator = torch.Generator().manual_seed(0)  # the same random numbers each time
print(torch.randn(3, generator=generator))  # around 0
print(torch.randint(6, (3,), generator=generator))  # from 0 to 5
print(torch.randperm(4, generator=generator))  # a random order of 0, 1, 2, 3

# %%
# Calls that move entries.
print(six.reshape(2, 3), m.ravel().shape, m.numel())  # other shapes; how many
print(m.unflatten(1, (2, 2)).shape, m.transpose(0, 1).shape)  # (3, 2, 2) and (4, 3)
print(v.flip(0), v.roll(1))  # backwards; one place on, the last one first
print(square.diag(), square.clone().fill_diagonal_(0))  # (3,); a new diagonal
above = torch.triu_indices(3, 3, offset=1)  # (2, 3): rows, columns above the diagonal
print(square[above[0], above[1]])  # (3,)

# %%
# Calls that choose. The positions of `gather` and `scatter` are others in each row.
print(m.gather(1, top.indices))  # (3, 3): reads there, so the same as top.values
print(torch.zeros_like(m).scatter(1, top.indices, top.values))  # (3, 4): writes there
print(v.masked_fill(v < 2, 0), torch.where(v < 2, 0, v))  # twice the same
print(positive.any(dim=1), m.bool().all(dim=1))  # (3,): some positive; none is 0

# %%
# Calls that sort and count.
print(v.sort(descending=True).values, v.argsort(descending=True))  # entries; positions
print(m.max(dim=1).indices, m.min(), v.argmin(), v.median())
print(torch.bincount(torch.tensor([0, 2, 2])))  # how often 0, 1 and 2 occur
print(v.quantile(0.5), torch.quantile(m, 0.9, dim=1))  # 90 % of a row lie below

# %%
# Calls that compute.
print(v.clamp_min(1.5), v.clip(0, 1.5), m.abs())  # at least 1.5; between 0 and 1.5
print(torch.maximum(v, 3 - v))  # entry by entry the larger
print(torch.nn.functional.normalize(v, dim=0))  # length 1; zeros stay zeros
print((v / 3).round(decimals=2), torch.allclose(v / 3 * 3, v))  # equal, nearly
print(torch.tensor([0.0, 60.0]).deg2rad().cos(), v.double().sin())  # angles; float64
print(torch.corrcoef(m))  # (3, 3): the correlations of the rows
print(torch.linalg.qr(square).Q)  # (3, 3): columns of length 1 at right angles

# %% [markdown] tags=["progress"]
# The exercises that you have solved:

# %% tags=["progress", "hide-input"]
# Show the exercises that you have solved.
from asif_book import show_progress

show_progress("90")

# %% [markdown]
# ## Summary
#
# - A shape lists the sizes of the dimensions; a matrix of shape (n, d) is $n$ vectors,
#   one in each row.
# - `dim=1` runs along the rows, and leaves one number for each row. `keepdim=True`
#   keeps the result a column.
# - Shapes are lined up from the right. `a @ b.T` holds all dot products of rows.
# - The mean of a comparison is a share. `topk` gives values and positions.
#
# **What would prove us wrong.** Every comment with a shape is a claim: print the shape.
#
# **Where next.** [00 · Start here](00_start_here.ipynb): two models that never met, and
# a cosine between them.

# %% [markdown] tags=["teacher"]
# ### Timing
#
# - **In class, 50 minutes,** or at home. Sections 1 to 3 with predictions aloud 15,
#   section 4 at the board 10, 90.1 in pairs 6, sections 5 to 8 13, 90.2 6.
#
# ### What students get wrong
#
# - *“dim=0 means rows.”* `m[0]` is a row, but a sum along `dim=0` runs over the rows,
#   and leaves one number for each column. Ask which dimension disappears.
# - *Shapes lined up from the left.* (3, 4) and (3,) look as if they fit. Let them write
#   the two shapes one below the other, from the right.
# - *“0 is small enough.”* It is not, if the other entries are negative.
# - *Working on the input.* `scores[:, 0] = 0` in a function changes the caller's
#   matrix.
#
# ### Discussion
#
# 1. Why does PyTorch stretch a size of 1, and refuse a size of 2 beside 4?
#
#    > **Answer.** A size of 1 can be stretched in one way only. Two entries beside four
#    > could be repeated one after the other, or in turns. PyTorch does not guess.
#
# ### Exit questions
#
# 1. `m` has the shape (3, 4). Which shapes have `m.sum(dim=1)` and `m.sum(dim=1,
#    keepdim=True)`?
#
#    > **Answer.** (3,) and (3, 1). The dimension that is summed disappears, or keeps
#    > the size 1.
#
# 2. Why does `m - m.mean(dim=1)` fail for this `m`? Mend it.
#
#    > **Answer.** The shapes (3, 4) and (3,) are lined up from the right, and 4 is not
#    > 3. With `keepdim=True` the mean has the shape (3, 1), which is stretched.
#
# 3. What does `(a == b).float().mean()` compute?
#
#    > **Answer.** The share of entries in which `a` and `b` are equal.
