"""Review a bank: near-duplicates, doubtful groups and doubtful captions in one table, whose decisions are one edit."""

from pathlib import Path

import numpy as np
import pandas as pd
import torch
from scipy.sparse import csr_array

from asif_lib.datasets.captions import read_table
from asif_lib.encoders.identity import load_encoder_of
from asif_lib.errors import BankError, DataError
from asif_lib.evaluation.measures import copy_distance
from asif_lib.search import top_anchors
from asif_lib.search.rows import BLOCK
from asif_lib.texts import csv_plain

from .audit import rank_pairs

NEAREST, SMALLEST_GROUP = 10, 5
"""Other pairs that are compared with a pair on each side. And the smallest group that is doubted, or proposed."""
COLUMNS = ["id", "caption", "picture", "group", "issue", "score", "other", "decision", "caption_new", "version"]


def review_bank(bank, *, device="cpu") -> pd.DataFrame:
    """List the pairs of a bank on disk that are doubtful, the worst of each `issue` first. Columns: `COLUMNS`.

    - ``duplicate``: the pair and the earlier one `other` are nearer than `near_distance` on both sides, also across
      banks that were joined. The score is the smaller of both cosines.
    - ``group``: the nearest pairs of both sides vote for the group `other` more than for the pair's own, and at least
      as much as the neighbours of its members do on average: the confident disagreement of Northcutt et al., JAIR 2021.
      The score is the own share of the votes minus the other one.
    - ``caption``: the score is the excess of `rank_pairs`, below 0.

    ``decision`` and ``caption_new`` are empty, for `apply_review`; ``version`` names the version of the bank. Raises
    `BankError` for a bank in memory, and `ParameterError` for one pair.
    """
    version, audit = _version(bank), rank_pairs(bank, device=device)
    near = {side: _nearest(bank.rows(side), device) for side in bank.sides}
    captions = audit[audit.excess < 0].assign(issue="caption", other="").rename(columns={"excess": "score"})
    parts = [_duplicates(bank, near), _groups(bank.pairs["group"], near), captions]
    table = pd.concat([part[["anchor", "issue", "score", "other"]] for part in parts], ignore_index=True)
    return table.join(bank.pairs, on="anchor").assign(decision="", caption_new="", version=version)[COLUMNS]


def near_distance(cosines, dtype=torch.float32) -> float:
    """Return the distance of unit vectors below which two of n pairs are near-duplicates, by the pairs' own distances.

    The `cosines` (n, `NEAREST`) are those of each pair with its nearest others, the nearest first, of embeddings in
    `dtype`.

    (1) In m dimensions, the number of pairs within a distance d grows as d^m. Few duplicates reach the medians of the
    distances to the 5th and the 10th neighbour. These give m, and a rough distance below which 1/n pairs are expected.
    (2) The nearest neighbour beyond it is no duplicate, and its distance follows a Weibull law (Fisher and Tippett,
    1928): F(d) = 1 - exp(-(d / s)^m). The median and the upper quartile give m and s. (3) At the threshold, F = 1/n: of
    n pairs without duplicates, about one is below it. This holds for evenly spread pairs; a series of like things, such
    as coins, is denser. With fewer neighbours, only copies count.
    """
    n, distances = len(cosines), _distance(cosines)
    if cosines.shape[1] < NEAREST:
        return copy_distance(dtype)
    rough = _where(1 / n, *np.median(distances[:, [4, 9]], axis=0), 5 - 1 / 3, 10 - 1 / 3)  # medians of Gamma(5), (10)
    beyond = np.where(distances > rough, distances, np.inf).min(axis=1)
    middle = np.quantile(beyond, [0.5, 0.75], method="lower")
    return max(copy_distance(dtype), _where(-np.log1p(-1 / n), *middle, np.log(2), np.log(4)))


def _where(count, near, far, at_near, at_far):
    """Return where c · d^m is `count`, if it is `at_near` at the distance d = near, and `at_far` at d = far."""
    return near * (count / at_near) ** (np.log(far / near) / np.log(at_far / at_near)) if 0 < near < far < 9 else 0.0


def _distance(cosines):
    return np.sqrt(np.maximum(0, 2 - 2 * cosines))


def _nearest(rows, device):
    """Return the cosines with the nearest other rows and their positions, (n, `NEAREST`) each, the nearest first."""
    n = len(rows)
    found = top_anchors(rows.gathered(), rows, min(NEAREST + 1, n), device=device, progress=True)
    values, indices = (each.numpy() for each in found)
    own = indices == np.arange(n)[:, None]
    own[~own.any(axis=1), -1] = True  # copies that come before it have filled the list
    return values[~own].reshape(n, -1), indices[~own].reshape(n, -1)


def _duplicates(bank, near):
    (cosines, others), (other_cosines, _) = near.values()
    dtypes, second = bank.dtypes.values(), bank.rows(bank.sides[1])
    near_first, near_second = map(near_distance, (cosines, other_cosines), dtypes)
    row, place = np.nonzero(_distance(cosines) <= near_first)
    pair = np.sort([row, others[row, place]], axis=0)  # (2, m), the earlier pair first
    blocks = np.array_split(pair, len(row) // BLOCK + 1, axis=1)
    score = [torch.cosine_similarity(*(second.take(at).double() for at in two)).float() for two in blocks]
    score, ids = torch.cat(score).numpy(), bank.pairs["id"].to_numpy()
    table = pd.DataFrame({"anchor": pair[1], "other": ids[pair[0]], "score": np.minimum(score, cosines[row, place])})
    table = table[_distance(score) <= near_second].sort_values("score", ascending=False, kind="stable")
    first, copy = _copies(bank)
    exact = pd.DataFrame({"anchor": copy, "other": ids[first], "score": np.ones(len(copy), "float32")})
    return pd.concat([exact, table]).drop_duplicates("anchor").assign(issue="duplicate")


def _copies(bank):
    """Find pairs with the bytes of an earlier pair on both sides, (2, m) positions: not only the `NEAREST` ones."""
    first, found = {}, []
    for start in range(0, len(bank), BLOCK):
        at = range(start, min(start + BLOCK, len(bank)))
        values = [bank.rows(side).take(at).view(torch.uint8).numpy() for side in bank.sides]
        for i, *pair in zip(at, *(map(bytes, rows) for rows in values), strict=True):
            found.append((first.setdefault(hash(tuple(pair)), i), i))
    pairs = np.array(found).T
    return pairs[:, pairs[0] < pairs[1]]


def _groups(groups, near):
    n, (codes, names) = len(groups), pd.factorize(groups.fillna(""))
    member = csr_array((np.ones(n), codes, np.arange(n + 1)))  # (n, groups)
    voters = np.concatenate([indices for _, indices in near.values()], axis=1)  # (n, v), some twice
    v = voters.shape[1]
    share = csr_array((np.full(n * v, 1 / v), voters.ravel(), np.arange(0, n * v + 1, v)), shape=(n, n)) @ member
    own, size = (share * member).sum(axis=1), member.sum(axis=0)  # (n,), (groups,)
    least = np.where((size < SMALLEST_GROUP) | (names == ""), np.inf, member.T @ own / size)  # (groups,)
    share.data[share.data < least[share.indices]] = 0
    best = share.max(axis=1).toarray().ravel()
    other = names[share.argmax(axis=1)]
    table = pd.DataFrame({"anchor": np.arange(n), "issue": "group", "score": own - best, "other": other})
    return table[(best > own) & np.isfinite(least)[codes]].sort_values("score", kind="stable")


def _version(bank):
    newest = bank.on_disk("has no version that a review could name: save it, and load it").record.newest
    return f"version {newest.version} ({newest.state[6:18]})"


def read_review(file) -> pd.DataFrame:
    """Read the CSV of a review, as texts. Raises `DataError` for another table."""
    table = read_table(Path(file)).map(csv_plain)
    if missing := [column for column in COLUMNS if column not in table]:
        raise DataError(f"{file}: lacks the columns {', '.join(missing)} of a review; it has: {', '.join(table)}")
    return table


def carry_decisions(table, earlier) -> tuple[pd.DataFrame, int]:
    """Carry decisions of an earlier review over to the rows of a new one that are the same but for score and version.

    Columns of one's own are carried over, too. Returns the new review, and the number of decisions whose row has gone.
    """
    key, decided = ["id", "caption", "issue", "other"], ["decision", "caption_new"]
    decided += [column for column in earlier if column not in COLUMNS]  # a person's own notes
    earlier = earlier.loc[(earlier[decided].map(str.strip) != "").any(axis=1), [*key, *decided]]
    joined = table.drop(columns=decided[:2]).merge(earlier, on=key, how="left").fillna(dict.fromkeys(decided, ""))
    left = ~pd.MultiIndex.from_frame(earlier[key]).isin(pd.MultiIndex.from_frame(table[key]))
    return joined[[*COLUMNS, *decided[2:]]], int(left.sum())


def apply_review(bank, file, text=None, *, device="auto"):
    """Apply the decisions in the CSV of a review in one edit of a bank, and return the bank; `undo` takes them back.

    A ``decision`` is ``drop``, ``relabel`` to ``caption_new``, ``keep`` its issue, or empty. Raises `DataError` for
    another table, `BankError` for a review of another version, or a decision that does not apply: nothing is changed.

    Parameters
    ----------
    bank, file : AnchorBank on disk, at its newest version, and str or Path
    text : Tensor or array of shape (m, d_text), optional
        Embeddings of the new captions, in the order in which the pairs to relabel first appear.
    device : as for `load_encoder_of`, which else loads the bank's text encoder
    """
    table, here = read_review(file), _version(bank)
    if other := set(table.version) - {here}:
        found = f"{file}: is a review of {min(other) or 'no version'}"
        raise BankError(f"{found}; bank {bank.name!r} is at {here}: review it again")
    captions, chosen = dict(zip(bank.pairs["id"], bank.pairs["caption"], strict=True)), {}
    for number, row in enumerate(table.itertuples(), 2):  # the columns are row 1, as in a spreadsheet
        decision, new = choice = row.decision.strip().lower(), row.caption_new.strip()
        if decision not in ("", "drop", "relabel", "keep"):
            fault = f"the decision {row.decision!r} is not drop, relabel or keep"
        elif (decision == "relabel") != bool(new):
            fault = "relabel, and no other decision, goes with a caption_new"
        elif captions.get(row.id) != row.caption:
            fault = f"bank {bank.name!r} has no such pair with this caption; a new one goes into caption_new"
        elif decision in ("drop", "relabel") and chosen.setdefault(row.id, choice) != choice:
            fault = "an earlier row decides otherwise on this pair"
        else:
            continue
        raise BankError(f"{file}: row {number}, id {row.id}: {fault}; nothing was changed")
    gone = [id for id, (decision, _) in chosen.items() if decision == "drop"]
    if not (relabelled := {id: new for id, (_, new) in chosen.items() if new}):
        return bank.revise({}, None, gone) if gone else bank
    if text is None:
        from asif_lib.encoders.embeddings import embed  # brings an encoder

        text = embed(load_encoder_of(bank.text_encoder, device=device), list(relabelled.values()))
    return bank.revise(relabelled, text, gone)
