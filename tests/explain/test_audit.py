"""An audit finds wrong captions, without a new bank."""

import pytest
import torch

from asif_lib import ASIF
from asif_lib.errors import ParameterError
from asif_lib.explain.audit import BETA, HUBS, NEIGHBOURS, leave_one_out, rank_pairs
from asif_lib.explain.contribution import contributions
from asif_lib.sparse import sparsify


@pytest.mark.parametrize("center, k, p", [(True, 50, 2), (False, None, 8)])
def test_leave_one_out_equals_a_rebuild_for_each_pair(stamps_bank, center, k, p, monkeypatch):
    monkeypatch.setattr("asif_lib.explain.audit.BLOCK", 70)
    monkeypatch.setattr("asif_lib.explain.audit.QUERY_BLOCK", 30)  # some tiles hold no pair with its own anchor
    captions = stamps_bank.pairs.caption.drop_duplicates()  # which of equal captions stands in the last place is open
    bank = stamps_bank.subset(captions.index[:300].tolist())
    images, texts = leave_one_out(bank, k, p, center=center)
    scores = (images.to_dense() * texts.to_dense()).sum(dim=1)
    for i in range(0, 300, 23):
        model = ASIF(bank.remove([bank.pairs.id[i]]), k, p, center=center, device="cpu")
        names = torch.tensor([j for j in range(300) if j != i])
        for vectors, one in ((images, model.images(bank.image[[i]])), (texts, model.texts(bank.text[[i]]))):
            expected = torch.zeros(300).index_put_((names[one.indices[0].long()],), one.values[0])
            assert i not in vectors.indices[i]
            torch.testing.assert_close(vectors[[i]].to_dense()[0], expected, atol=1e-5, rtol=0)
        assert scores[i].item() == pytest.approx(model.similarity(bank.image[[i]], bank.text[[i]]).item(), abs=1e-5)


def test_hubs_are_corrected_by_their_own_nearest_anchors(stamps_bank):
    bank = stamps_bank.subset(range(120))
    images, _ = leave_one_out(bank, 119, hubs=HUBS, center=False)
    rows = torch.nn.functional.normalize(bank.image, dim=1)
    cosines = (rows @ rows.T).fill_diagonal_(-torch.inf)
    near = cosines.topk(NEIGHBOURS, dim=1).values.mean(dim=1)
    expected = sparsify(cosines - HUBS * (near - near.mean()), 119, 2)
    torch.testing.assert_close(images.to_dense(), expected.to_dense(), atol=1e-5, rtol=0)
    assert (images.values.diff(dim=1) <= 0).all()  # the largest entry first


@pytest.mark.parametrize("rivals", [range(60), [0, 59], [0, 15, 30, 44, 59]])
def test_the_excess_is_the_agreement_minus_the_soft_maximum_of_the_rivals(stamps_bank, rivals, monkeypatch):
    monkeypatch.setattr("asif_lib.explain.audit.RIVALS", len(rivals))
    monkeypatch.setattr("asif_lib.explain.audit.QUERY_BLOCK", 13)
    bank = stamps_bank.subset(range(60))
    table = rank_pairs(bank, 20)
    assert table.excess.is_monotonic_increasing and sorted(table.anchor) == list(range(60))
    assert table.caption.tolist() == bank.pairs.caption[table.anchor].tolist()
    table = table.sort_values("anchor")
    images, texts = leave_one_out(bank, 20, hubs=HUBS)
    scores = (images.to_dense() @ texts.to_dense().T).double()
    for i, row in enumerate(table.itertuples()):
        others = [j for j in rivals if j != i]
        soft = [s[others].mul(BETA).exp().mean().log() / BETA for s in (scores[i], scores[:, i])]
        assert row.agreement == pytest.approx(scores[i, i].item(), abs=1e-5)
        assert row.agreement == pytest.approx(contributions(images[[i]], texts[[i]]).contribution.sum(), abs=1e-5)
        assert row.excess == pytest.approx(row.agreement - sum(soft).item() / 2, abs=1e-5)


@pytest.mark.parametrize(
    "call, words",
    [
        (lambda bank: leave_one_out(bank.subset([0])), "at least two"),
        (lambda bank: leave_one_out(bank.subset([0, 1, 2]), 3), "from 1 to the 2 anchors"),
        (lambda bank: leave_one_out(bank.subset([0, 1, 2]), hubs=2), "hubs = 2"),
        (lambda bank: rank_pairs(bank.subset([0])), "at least two"),
    ],
)
def test_bad_input_is_refused_in_one_sentence(stamps_bank, call, words):
    with pytest.raises(ParameterError, match=words) as error:
        call(stamps_bank)
    assert "\n" not in str(error.value)
