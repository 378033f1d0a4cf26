import numpy as np
import pytest
import torch

from asif_lib.search.rows import Rows, as_rows

MATRIX = torch.arange(60.0).reshape(20, 3)


def pieces():
    """Rows 0 to 19 without 1, 2 and 17, in four pieces, one of which is empty."""
    return Rows([MATRIX[:4], MATRIX[4:4], MATRIX[4:9], MATRIX[9:]], [np.array([0, 3]), None, None, np.r_[0:8, 9:11]])


WHOLE = MATRIX[[0, 3, *range(4, 17), 18, 19]]


@pytest.mark.parametrize("first, stop", [(0, 17), (2, 2), (6, 16)])
def test_a_part_and_what_is_kept_are_views(first, stop):
    part = pieces().part(first, stop)
    assert torch.equal(part.take(range(len(part))), WHOLE[first:stop])
    assert torch.equal(pieces().take([16, 0, 2, 1, 16, 7]), WHOLE[[16, 0, 2, 1, 16, 7]])
    kept = pieces().keep(np.arange(first, stop))
    assert len(kept) == stop - first
    assert torch.equal(kept.take(range(len(kept))), WHOLE[first:stop])


def test_nothing_is_copied_where_nothing_was_removed():
    ((_, block),) = Rows([MATRIX]).blocks(100)
    assert block.data_ptr() == MATRIX.data_ptr()
    assert as_rows(rows := Rows([MATRIX])) is rows
    assert rows.part(2, 2).shape == (0, 3)
