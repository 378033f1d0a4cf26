"""Laws of the method on drawn banks: ties, near-ties, zeros, tiny and huge numbers, in few dimensions and in many.

The draws are the same at every run. ``HYPOTHESIS_PROFILE=thorough`` draws new ones, forty times as many.
"""

import os

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st
from made_banks import assert_same, without

from asif_lib import ASIF, AnchorBank, method, sparse
from asif_lib.bank.joining import concatenate
from asif_lib.explain.contribution import contrast, contributions
from asif_lib.relative import relative_representation
from asif_lib.search.exact import METHODS, prepare, top_anchors
from asif_lib.search.passes import merge_top
from asif_lib.search.rows import Rows
from asif_lib.settings import Settings
from asif_lib.sparse import represent, sparsify

COMMON = {"deadline": None, "database": None, "suppress_health_check": list(HealthCheck)}
settings.register_profile("quick", max_examples=25, derandomize=True, **COMMON)
settings.register_profile("thorough", max_examples=1_000, print_blob=True, **COMMON)
PROFILE = settings.get_profile(os.environ.get("HYPOTHESIS_PROFILE", "quick"))
ROUNDING = 1e-6
"""More than the rounding of float32 changes in a cosine, or in a score."""
KINDS = ["plain", "ties", "near ties", "extremes"]
DTYPES = [torch.float32, torch.float16, torch.bfloat16, torch.float64]


def law(**drawn):
    return lambda test: settings(PROFILE)(given(**drawn)(test))


@st.composite
def matrices(draw, kinds=KINDS, most=40):
    """Draw queries (3, d), anchors (n, d), and k."""
    n, d, kind = draw(st.integers(1, most)), draw(st.sampled_from([1, 2, 3, 8, 33])), draw(st.sampled_from(kinds))
    rng = np.random.default_rng(draw(st.integers(0, 2**32)))
    z, anchors = (torch.from_numpy(rng.standard_normal((rows, d))) for rows in (3, n))
    if kind == "ties":  # zeros, equal rows, and rows of one direction
        z, anchors = z.round(), anchors.round()
    if kind == "near ties":
        anchors = z[:1] + 10.0 ** draw(st.integers(-7, -3)) * anchors
    if kind == "extremes":  # their squares under- and overflow
        z, anchors = z * 1e-42, anchors * 10.0 ** torch.from_numpy(rng.integers(-44, 36, (n, 1)))
    return z.float(), anchors.float(), draw(st.integers(1, n))


@st.composite
def banks(draw, kinds=("plain", "ties", "near ties"), dtypes=DTYPES[:1]):
    """Draw queries (3, d) and prompts (3, 4), a bank in memory, and k."""
    z, image, k = draw(matrices(kinds))
    text = torch.from_numpy(np.random.default_rng(draw(st.integers(0, 9))).standard_normal((len(image) + 3, 4))).float()
    image[~image.any(dim=1)] = 1  # a bank holds no zeros
    sides, scale = [], 2.0 ** draw(st.sampled_from([-9, 0, 19]))
    for matrix, dtype in [(image, draw(st.sampled_from(dtypes))), (text[3:], draw(st.sampled_from(dtypes)))]:
        most = min(2.0**20, torch.finfo(dtype).max)  # that a bank keeps
        sides.append((matrix * scale).clamp(-most, most).to(dtype))
    bank = AnchorBank.from_embeddings(*sides, [f"caption {i}" for i in range(len(image))], encoders=("eye", "ear"))
    assert bank.dtype == sides[0].dtype
    for side in bank.sides:  # float32 loses anchors beside a far mean, which a model refuses
        rows = bank.matrix(side).double()
        assume(
            rows.mean(dim=0).norm() <= 100 * (rows - rows.mean(dim=0)).norm(dim=1).median() or (rows == rows[0]).all()
        )
    return z * scale, text[:3] * scale, bank, k


def by_hand(z, anchors, mean):
    """All cosines by the definition, as exact as the machine can."""
    units = []
    for rows in (z, anchors):
        rows = rows.float().numpy().astype(np.longdouble) - (0 if mean is None else mean.numpy())
        norms = np.sqrt((rows**2).sum(axis=1, keepdims=True))
        units.append(rows / np.where(norms > 0, norms, 1))
    return torch.from_numpy((units[0] @ units[1].T).astype(float))


# -- search and sparse vectors ---------------------------------------------------------------------------


@law(data=st.data(), drawn=matrices(), dtype=st.sampled_from(DTYPES), centred=st.booleans())
def test_all_routes_of_a_search_give_the_same_bits_and_the_largest_cosines(
    tmp_path_factory, data, drawn, dtype, centred
):
    """Methods in small blocks, pieces with removed rows, prepared and mapped anchors, and shards that are merged."""
    z, anchors, k = drawn
    anchors = anchors.clamp(-6e4, 6e4).to(dtype)
    mean = anchors.float().mean(dim=0) if centred else None
    values, indices = expected = top_anchors(z, anchors, k, mean=mean)
    cut = data.draw(st.integers(0, len(anchors)))
    pieces = Rows(
        [anchors[:cut], anchors[max(cut - 1, 0) :]], [None, np.arange(cut > 0, len(anchors) - max(cut - 1, 0))]
    )
    routes = [top_anchors(z, pieces, k, mean=mean, method=engine, memory=2**18) for engine in METHODS]
    routes.append(top_anchors(z, prepare(pieces, mean), k))
    shards = [(at, anchors[at:stop]) for at, stop in [(0, cut), (cut, len(anchors))] if at < stop]
    found = [(at, top_anchors(z, shard, min(k, len(shard)), mean=mean)) for at, shard in shards]
    routes.append(merge_top([(best, where + at) for at, (best, where) in found], k))
    if dtype != torch.bfloat16:  # which numpy lacks
        file = tmp_path_factory.mktemp("mapped") / "anchors.npy"
        np.save(file, anchors.numpy())
        routes.append(top_anchors(z, torch.from_numpy(np.load(file, mmap_mode="c")), k, mean=mean))
    for route in routes:
        assert all(map(torch.equal, route, expected))
    cosines = by_hand(z, anchors, mean)
    torch.testing.assert_close(relative_representation(z, anchors, mean=mean), cosines.float(), atol=ROUNDING, rtol=0)
    torch.testing.assert_close(values.double(), cosines.gather(1, indices), atol=ROUNDING, rtol=0)
    others = cosines.scatter(1, indices, -2).amax(dim=1)
    assert (others <= values[:, -1] + ROUNDING).all()
    steps, next_ones = values.diff(dim=1), indices.diff(dim=1)
    assert ((steps < 0) | ((steps == 0) & (next_ones > 0))).all()  # the earlier of equal ones first


SEARCHED = {"method": "float32"}
"""Asks for a search where a small bank would be represented by the dense method."""


@law(drawn=matrices(), dtype=st.sampled_from(DTYPES), p=st.sampled_from([0.5, 1, 2, 8, 1e6]), center=st.booleans())
@pytest.mark.parametrize("road", [{}, SEARCHED], ids=["dense", "searched"])
def test_a_sparse_vector_has_unit_length_or_is_zero(road, drawn, dtype, p, center):
    z, anchors, k = drawn
    vectors = represent(z, anchors.clamp(-6e4, 6e4).to(dtype), Settings(k, p, center=center), **road)
    assert vectors.values.shape == vectors.indices.shape == (3, k)
    assert (vectors.values.dtype, vectors.indices.dtype, vectors.n) == (torch.float32, torch.int32, len(anchors))
    assert all(len(set(row)) == k and min(row) >= 0 and max(row) < len(anchors) for row in vectors.indices.tolist())
    assert (vectors.values >= 0).all() and (vectors.values.diff(dim=1) <= 0).all()
    lengths = vectors.values.norm(dim=1)
    torch.testing.assert_close(lengths, (lengths > 0).float())
    dense = vectors.to_dense()
    assert torch.equal(torch.from_numpy(vectors.to_csr().toarray()), dense)
    torch.testing.assert_close(vectors.similarity(vectors), dense @ dense.T, atol=ROUNDING, rtol=0)


@law(data=st.data(), drawn=banks(), p=st.sampled_from([1, 2, 8]), zeros=st.booleans())
def test_the_fast_road_gives_the_answers_of_the_method_in_one_file(data, drawn, p, zeros):
    """Both roads of the model, after edits too, against ``method.asif``: scores to 1e-5, and so the answers."""
    z, prompts, bank, k = drawn
    if zeros:
        z[0] = prompts[1] = 0
    banks = [bank]
    if len(bank) > 1:
        cut = data.draw(st.integers(1, len(bank) - 1))
        banks.append(bank.subset(slice(0, cut)).add(bank.subset(slice(cut, None))))
        banks.append(without(bank, [cut]))
        left = [bank.rows(side).gathered() for side in bank.sides]
        rest = [banks[-1].rows(side).gathered() for side in bank.sides]
        assert all(map(torch.equal, method.without([cut], *left), rest))
    for each in banks:
        k = min(k, len(each))
        sides = [each.rows(side).gathered() for side in each.sides]
        expected = method.asif(z, prompts, *sides, k, p)  # (3, 3)
        for small in (sparse.SMALL, 0):  # the dense road, and the one of a large bank
            with pytest.MonkeyPatch.context() as patch:
                patch.setattr(sparse, "SMALL", small)
                model = ASIF(each, k, p, device="cpu")
                torch.testing.assert_close(model.similarity(z, prompts), expected, atol=1e-5, rtol=0)
                images, texts = model.images(z), model.texts(prompts)
        of_anchors = method.contributions(images.to_dense()[0], texts.to_dense()[0])  # (n,)
        table = contributions(images[[0]], texts[[0]])
        assert of_anchors[table.anchor.tolist()].tolist() == pytest.approx(table.contribution.tolist(), abs=ROUNDING)
        assert of_anchors.sum().item() == pytest.approx(expected[0, 0].item(), abs=1e-5)


@pytest.mark.parametrize("d", [1, 2])
@law(seed=st.integers(0, 2**32), spread=st.sampled_from([0.0, 1e-6, 1e-5]), k=st.integers(1, 30))
def test_of_equal_cosines_the_earlier_anchors_are_kept_dense_or_sparse(d, seed, spread, k):
    """So close to the query, all cosines are 1 in float32, also where the rows are not equal."""
    rng = np.random.default_rng(seed)
    z = torch.from_numpy(rng.uniform(1, 2, (1, d))).float()
    anchors = z * torch.from_numpy(rng.uniform(0.1, 9, (30, 1))).float()
    anchors += spread * torch.from_numpy(rng.uniform(0, 0.1, (30, d))).float()
    for vectors in (
        sparsify(relative_representation(z, anchors), k, 8),
        represent(z, anchors, Settings(k, 8, center=False), **SEARCHED),
    ):
        assert vectors.indices.tolist() == [list(range(k))]


# -- banks -----------------------------------------------------------------------------------------------


@law(data=st.data(), drawn=banks(dtypes=DTYPES))
def test_add_then_remove_is_identity_and_parts_make_the_whole(tmp_path_factory, data, drawn):
    _, _, bank, _ = drawn
    assume(len(bank) > 1)
    cut = data.draw(st.integers(1, len(bank) - 1))
    first, more = bank.subset(slice(0, cut)), bank.subset(slice(cut, None))
    added = data.draw(st.permutations(list(more.pairs["id"])))
    assert_same(concatenate([first, more], bank.name).replace(licence=bank.licence), bank)
    stored = AnchorBank.load(first.save(tmp_path_factory.mktemp("bank") / "bank"))
    for start in (first, stored):
        whole = start.add(more)
        assert_same(whole, bank)
        back = whole.remove(ids=added)
        assert_same(back, first)
        assert_same(without(back.add(more), range(cut)), more)


@law(data=st.data(), drawn=banks(["plain"]), center=st.booleans())
def test_a_permutation_of_the_bank_permutes_the_answer(data, drawn, center):
    z, prompts, bank, k = drawn
    order = data.draw(st.permutations(range(len(bank))))
    models = [ASIF(b, k, 2, center=center, device="cpu") for b in (bank, bank.subset(order))]
    for side, vectors in {"image": z, "text": prompts}.items():
        mean = bank.mean(side) if center else None
        assume((by_hand(vectors, bank.rows(side).gathered(), mean).sort(dim=1).values.diff(dim=1) > 1e-5).all())
        original, permuted = (model.represent(side, vectors) for model in models)
        assert torch.equal(torch.tensor(order)[permuted.indices.long()].int(), original.indices)
        torch.testing.assert_close(permuted.values, original.values, atol=ROUNDING, rtol=0)
    torch.testing.assert_close(*(model.similarity(z, prompts) for model in models), atol=ROUNDING, rtol=0)


@law(drawn=banks(), p=st.sampled_from([1, 2, 8]), reduce=st.sampled_from(["mean", "max"]))
def test_contributions_add_up_to_the_score(drawn, p, reduce):
    z, prompts, bank, k = drawn
    model = ASIF(bank, k, p, device="cpu")
    images, texts = model.images(z), model.texts(prompts)
    scores = images.similarity(texts)
    near = {"abs": 10 * ROUNDING}
    for i in range(3):
        table = contributions(images[[i]], texts[[0]], bank.pairs)
        assert (table.contribution > 0).all() and table.contribution.is_monotonic_decreasing and table.anchor.is_unique
        anchors = table.anchor.tolist()
        assert table.image.tolist() == images.to_dense()[i, anchors].tolist()
        assert table.text.tolist() == texts.to_dense()[0, anchors].tolist()
        assert table.contribution.sum() == pytest.approx(scores[i, 0].item(), **near)
        label = contributions(images[[i]], texts, reduce=reduce).contribution.sum()
        assert label == pytest.approx(getattr(scores[i], reduce)().item(), **near)
        difference = contrast(images[[i]], texts[[0]], texts[[1]]).difference.sum()
        assert difference == pytest.approx((scores[i, 0] - scores[i, 1]).item(), **near)
