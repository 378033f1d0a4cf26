"""A review names duplicates, doubtful groups and captions, and its decisions become one version of the bank."""

import numpy as np
import pandas as pd
import pytest
import torch
from hostile import FORMULAS

from asif_lib import AnchorBank
from asif_lib.bank.joining import concatenate
from asif_lib.errors import AsifError, BankError
from asif_lib.explain.review import COLUMNS, apply_review, carry_decisions, review_bank
from asif_lib.texts import csv_plain, csv_text


def duplicates(table):
    return dict(table[table.issue == "duplicate"][["id", "other"]].itertuples(index=False))


@pytest.mark.parametrize("noise, share", [(0, 0.05), (0.15, 1)])
def test_planted_copies_are_named_across_a_join_and_hardly_anything_else(stamps_bank, tmp_path, noise, share):
    """Both embeddings of a copy are moved by `noise` of their length. Two of the stamps have a twin; one stays here."""
    bank = stamps_bank.subset([i for i, id in enumerate(stamps_bank.pairs.id) if "fireman" not in id])
    random = torch.Generator().manual_seed(1)
    copies = bank.subset(torch.randperm(len(bank), generator=random)[: round(share * len(bank))].tolist())
    z = {side: copies.matrix(side) for side in bank.sides}
    steps = {side: torch.nn.functional.normalize(torch.randn(z[side].shape, generator=random)) for side in z}
    z = {side: z[side] + noise * z[side].norm(dim=1, keepdim=True) * steps[side] for side in z}
    originals = copies.pairs.id.tolist()
    copies = copies.replace(name="copies", pairs=copies.pairs.assign(id="copy of " + copies.pairs.id), **z)
    both = concatenate([bank, copies], "both").save(tmp_path / "both")
    found = duplicates(review_bank(AnchorBank.load(both)))
    assert np.mean([found.pop(f"copy of {id}") == id for id in originals]) > 0.99
    assert list(found) == ["food/fruit/cartoon/apple_core_01.png"]


def test_every_exact_copy_of_one_pair_is_named(tmp_path):
    z = np.random.default_rng(0).normal(size=(2, 60, 6)).astype("float32")
    z[0, 10:40] = z[0, 10]  # thirty pairs share one picture
    z[1, 39] = z[1, 35]
    bank = AnchorBank.from_embeddings(*z, [*map(str, range(60))])
    assert duplicates(review_bank(AnchorBank.load(bank.save(tmp_path / "bank")))) == {"39": "35"}


def test_wrong_groups_and_wrong_captions_are_named(stamps_bank, tmp_path):
    groups, text = stamps_bank.pairs.group.copy(), stamps_bank.text.clone()
    large = groups.value_counts().loc[lambda sizes: sizes >= 5].index
    wrong = np.random.default_rng(0).choice(np.flatnonzero(groups.isin(large)), 20, replace=False)
    groups.iloc[wrong] = [large[large.get_loc(group) - 1] for group in groups.iloc[wrong]]
    text[[50, 700]] = text[[700, 50]]
    bank = stamps_bank.replace(pairs=stamps_bank.pairs.assign(group=groups), text=text)
    table = review_bank(AnchorBank.load(bank.save(tmp_path / "bank")))
    assert list(table) == COLUMNS and (table[["decision", "caption_new"]] == "").all(axis=None)
    doubted, captions = (table[table.issue == issue].set_index("id") for issue in ("group", "caption"))
    assert doubted.index.isin(bank.pairs.id[wrong]).sum() >= 12 and len(doubted) < 100
    assert groups.value_counts()[[*doubted.other, *doubted.group]].min() >= 5
    assert set(bank.pairs.id[[50, 700]]) <= set(captions.index) and captions.score.max() < 0
    assert doubted.score.is_monotonic_increasing and captions.score.is_monotonic_increasing
    with pytest.raises(BankError, match="has no version that a review could name: save it"):
        review_bank(bank)


def test_decisions_and_columns_of_ones_own_are_carried_over_and_what_has_gone_is_counted():
    table = pd.DataFrame([["a", "A.", "", "", "caption", 0.1, "", "", "", "v1"]] * 2, columns=COLUMNS)
    table.loc[1, "id"] = "b"
    earlier = table.assign(decision=["drop", ""], note=["", "ask Ann"], version="v0")
    found, left = carry_decisions(table, pd.concat([earlier, earlier.head(1).assign(id="gone")]))
    assert (left, found.decision.tolist(), found.note.tolist()) == (1, ["drop", ""], ["", "ask Ann"])
    assert list(found) == [*COLUMNS, "note"] and (found.version == "v1").all()


CAPTION = "=a caption; that a spreadsheet would compute"
RELABEL = {"decision": "Relabel ", "caption_new": CAPTION}


@pytest.fixture
def reviewed(tmp_path):
    """A bank of ten pairs, 7 to 9 copies of 0 to 2, and the function that applies a review of the copies.

    Its arguments are changes of rows by id, further rows as copies of the first, and columns that got lost.
    """
    z = np.random.default_rng(0).normal(size=(2, 10, 6)).astype("float32")
    z[:, 7:] = z[:, :3]
    folder = AnchorBank.from_embeddings(*z, [CAPTION, *"bcdefghij"], text_encoder="ear").save(tmp_path / "mine")
    table = review_bank(AnchorBank.load(folder)).query("issue == 'duplicate'").sort_values("id", ascending=False)
    assert duplicates(table) == {"7": "0", "8": "1", "9": "2"}

    def apply(changes=None, text=None, more=(), lost=()):
        rows = [row | (changes or {}).get(row["id"], {}) for row in table.to_dict("records")]
        rows = pd.DataFrame([*rows, *(rows[0] | one for one in more)]).drop(columns=list(lost))
        (tmp_path / "review.csv").write_text(csv_text(rows, rows.to_numpy().tolist()), "utf-8", newline="")
        return apply_review(AnchorBank.load(folder), tmp_path / "review.csv", text)

    return folder, apply


def test_decisions_are_one_version_and_undone_together(reviewed):
    folder, apply = reviewed
    before = AnchorBank.load(folder)
    assert apply().version == apply({"9": {"decision": "keep"}}).version == 1
    text = np.arange(12, dtype="float32").reshape(2, 6) + 1
    more = [{"decision": "DROP"}, {"decision": "keep"}]  # which speaks of its row alone
    after = apply({"9": {"decision": "drop"}, "8": RELABEL, "7": RELABEL}, text, more)
    assert after.history()["change"].tolist()[1:] == ["relabelled 2 pairs, removed 1 pair"]
    assert after.pairs.id.tolist() == [*"0123456", "8", "7"] and after.pairs.caption.tolist()[7:] == [CAPTION] * 2
    assert torch.equal(after.text[7:], torch.from_numpy(text)) and torch.equal(after.image[7:], before.image[[8, 7]])
    with pytest.raises(BankError, match=r"review of version 1 \(\w+\); .* is at version 2 \(\w+\): review it again"):
        apply()
    with pytest.raises(BankError, match="was changed meanwhile"):
        before.revise({}, None, ["7"])
    assert after.undo().pairs.equals(before.pairs)


def test_a_review_that_was_saved_with_semicolons_is_read(reviewed, tmp_path):
    folder, apply = reviewed
    apply()
    table = pd.read_csv(tmp_path / "review.csv", dtype=str, keep_default_na=False)
    table.assign(decision="drop").to_csv(tmp_path / "german.csv", sep=";", index=False)
    assert apply_review(AnchorBank.load(folder), tmp_path / "german.csv").pairs.id.tolist() == [*"0123456"]


@pytest.mark.parametrize(
    "row, how, words",
    [
        ({"decision": "delete"}, {}, "row 3, id 8: the decision 'delete' is not drop, relabel or keep; nothing was"),
        ({"decision": "relabel"}, {}, "row 3, id 8: relabel, and no other decision, goes with a caption_new"),
        ({"caption_new": "x"}, {}, "row 3, id 8: relabel, and no other decision, goes with a caption_new"),
        ({"id": "80"}, {}, "row 3, id 80: bank 'mine' has no such pair with this caption"),
        ({"caption": "x"}, {}, "row 3, id 8: bank 'mine' has no such pair with this caption"),
        ({}, {"more": [RELABEL]}, "row 5, id 9: an earlier row decides otherwise on this pair"),
        (
            {},
            {"lost": ["decision", "version"]},
            "lacks the columns decision, version of a review; it has: id, caption, ",
        ),
        ({"version": ""}, {}, "is a review of no version; bank 'mine' is at version 1"),
        (RELABEL, {}, r"by its name; bring .* with --text-embedding FILE \(--text-embeddings of a review"),
        (RELABEL, {"text": np.ones((2, 6))}, r"shape \(2, 6\)"),
    ],
)
def test_a_review_that_does_not_fit_changes_nothing(reviewed, row, how, words):
    folder, apply = reviewed
    with pytest.raises(AsifError, match=words) as caught:
        apply({"9": {"decision": "drop"}, "8": row}, **how)
    assert "\n" not in str(caught.value) and AnchorBank.load(folder).version == 1


@pytest.mark.parametrize("text", [*FORMULAS, "'=1", "''-1\n=2", "-40", "it's", "'quoted'", "a;'b"])
def test_a_text_comes_back_from_a_spreadsheet_as_it_was(text):
    assert csv_plain(csv_text(["a"], [[text]])[5:-2].replace('""', '"')) == text
