"""Advice for a bank: it measures what `ASIF` does, it stays with the defaults in doubt, and it says how sure it is."""

import json

import numpy as np
import pytest
import torch

from asif_lib import ASIF, AnchorBank
from asif_lib.cli.banks import _recommend
from asif_lib.errors import ParameterError
from asif_lib.evaluation import recommending
from asif_lib.evaluation.measures import mean_recall, same_text
from asif_lib.evaluation.recommending import Measured, measure_settings, recommend
from asif_lib.settings import default_k


def made(signal, noise, n=300, seed=0):
    """A bank of one's own embeddings: texts are signals; pictures are the same signals beside noise, each scaled."""
    random = torch.Generator().manual_seed(seed)
    text = torch.randn(n, len(signal), generator=random)
    nothing = torch.randn(n, len(noise), generator=random) * torch.tensor(noise)
    image = torch.cat([text * torch.tensor(signal), nothing], dim=1)
    return AnchorBank.from_embeddings(image, text, [f"pair {i}" for i in range(n)])


@pytest.fixture(scope="module")
def clear_case():
    """Half of the picture's directions are loud and tell nothing: whitening takes away their weight."""
    return recommend(made([1.0] * 12, [6.0] * 12), progress=False)


def test_each_value_is_the_recall_of_the_model(stamps_bank):
    task, bank = "another kind", stamps_bank.subset(range(0, len(stamps_bank), 6))
    rows = np.random.default_rng(3).permutation(len(bank))
    drawn = bank.subset(rows.tolist())
    folds = [*recommending._folds(task, drawn.image.float(), 3)]
    table = recommend(bank, task, seed=3, progress=False).table
    for share, p, center, hubs, whiten in [(0.1, 2, True, 0, None), (0.3, 4, True, 0.5, 0.8), (0.2, 1, False, 0, None)]:
        recalls = []
        for fit, asked in folds:
            k = default_k(len(fit), share)
            model = ASIF(drawn.subset(fit), k, p, center=center, hubs=hubs, whiten=whiten, device="cpu")
            asked = drawn.subset(asked)
            scores = model.similarity(asked.image, asked.text)
            captions = asked.pairs.caption
            recalls += [mean_recall((scores, scores.T), same_text(captions, captions))] * len(asked)
        same = (table.share == share) & (table.p == p) & (table.center == center) & (table.hubs == hubs)
        row = table[same & (table.whiten.isna() if whiten is None else table.whiten == whiten)]
        assert row.value.item() == pytest.approx(np.mean(recalls), abs=1e-3)


def test_a_fold_is_asked_with_the_choice_of_the_other_folds():
    """A setting wins each fold, and no setting wins a second one: a choice by a fold's own answers gains."""
    default = recommending.DEFAULTS
    spaces = enumerate((None, 0.5, 0.8, 0.9, None), 1)
    lucky = [{**default, "share": 0.2, "p": p, "whiten": whiten} for p, whiten in spaces]
    asks = [lambda own=own, **one: np.full(20, 0.15 if one == default else float(one == own)) for own in lucky]
    found = measure_settings([default, *lucky], asks)
    bank = made([1.0], [1.0], 100)
    advice = recommending._advice(bank, "same kind", found)
    assert advice.best["k"] == 20 and advice.gain.value == pytest.approx(-0.15) and not advice.decided


def test_advice_without_a_difference_can_be_written_as_json(tmp_path):
    z = torch.randn(60, 8, generator=torch.Generator().manual_seed(0))  # each pair finds itself with any settings
    folder = AnchorBank.from_embeddings(z, z, [*map(str, range(60))]).save(tmp_path / "bank")
    advice, _ = _recommend(str(folder))
    assert json.loads(json.dumps(advice))[0]["decided"] is False


def test_a_sure_gain_is_recommended_with_its_interval(clear_case):
    assert clear_case.decided and clear_case.gain.low > 0.05 and clear_case.gain.n == 300
    assert clear_case.settings == clear_case.best and clear_case.settings["whiten"]
    assert "Recommended: k = " in str(clear_case) and "undecided" not in str(clear_case)


def test_the_best_is_named_where_it_lies_at_the_edge(clear_case):
    table = clear_case.table.astype({"whiten": float})
    best = table.iloc[0]
    for name, column in {"k": "share", "p": "p", "whiten": "whiten"}.items():
        end = {table[column].max(): "largest", table[column].min(): "smallest"}.get(best[column])
        assert clear_case.edges.get(name) == end
    assert clear_case.edges["whiten"] == "smallest" and "whiten is the smallest" in str(clear_case)


def test_in_doubt_the_defaults_stay():
    random = torch.Generator().manual_seed(0)
    image, text = (torch.randn(200, 16, generator=random) for _ in range(2))  # which tell nothing of each other
    advice = recommend(AnchorBank.from_embeddings(image, text, [*map(str, range(200))]), progress=False)
    assert not advice.decided and advice.gain.low <= 0
    assert advice.settings == {"k": 20, "p": 2, "center": True, "hubs": 0, "whiten": None} == advice.start
    assert "undecided, so the start stays" in str(advice)


def test_pictures_of_another_kind_are_whitened_unless_that_harms_inside_the_bank(stamps_bank):
    advice = recommend(stamps_bank.subset(range(0, 793, 4)), "another kind", progress=False)
    assert advice.start["whiten"] == 0.8 and advice.start_gain.high >= 0
    assert "Whitening is our prior, not found in your bank" in str(advice) and "without it" not in str(advice)
    quiet = made([1.0] * 8, [0.14] * 400)  # whitening makes this noise as loud as the signal
    harmed = recommend(quiet, "another kind", progress=False)
    assert harmed.start_gain.high < 0 and harmed.start["whiten"] is None
    assert harmed.settings["whiten"] is None and "so the choice starts without it" in str(harmed)


def test_a_gain_too_small_to_trust_changes_nothing():
    default = recommending.DEFAULTS
    better = [0.5] * 190 + [0.6] * 10  # half a point, and sure
    found = Measured([default, {**default, "p": 4}], [[np.full(200, 0.5), np.array(better)]] * 5)
    advice = recommending._advice(made([1.0], [1.0], 100), "same kind", found)
    assert 0 < advice.gain.low < advice.gain.value < recommending.WORTH and not advice.decided


def test_what_cannot_be_answered_is_refused(stamps_bank):
    with pytest.raises(ParameterError, match="'my kind'; take one of: 'same kind', 'another kind'"):
        recommend(stamps_bank, "my kind")
    with pytest.raises(ParameterError, match="seed = -1: a seed is a whole number, 0 or more"):
        recommend(stamps_bank, seed=-1)
    with pytest.raises(ParameterError, match=r"the bank is a str; pass an AnchorBank: AnchorBank\.load"):
        recommend("stamps")
    with pytest.raises(ParameterError, match="59 pairs are too few.*keep the defaults"):
        recommend(stamps_bank.subset(range(59)))
    z = 0.01 * torch.randn(61, 8, generator=torch.Generator().manual_seed(0))
    one_kind = torch.cat([1 + z[:57], 50 * torch.eye(8)[:4]])
    with pytest.raises(ParameterError, match="clusters of 57, 1, 1, 1, 1, too uneven.*take the task 'same kind'"):
        recommend(AnchorBank.from_embeddings(one_kind, z, [*map(str, range(61))]), "another kind", progress=False)
