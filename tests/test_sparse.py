"""Sparsification: k largest, clamp, power, normalise; without the dense matrix as with it."""

import subprocess
import sys
from fractions import Fraction

import numpy as np
import pytest
import torch

from asif_lib import method
from asif_lib.errors import ParameterError
from asif_lib.relative import relative_representation
from asif_lib.search.rows import Rows
from asif_lib.settings import Settings
from asif_lib.sparse import KeptCosines, SideAnchors, SparseVectors, represent, sparsify


def random_matrix(rows, columns, seed):
    return torch.randn(rows, columns, generator=torch.Generator().manual_seed(seed))


def reference(relative, k, p):
    """The definition, row by row, in float64."""
    dense = np.zeros(relative.shape)
    for row, cosines in enumerate(relative.double().numpy()):
        for i in np.argsort(-cosines, kind="stable")[:k]:
            dense[row, i] = max(cosines[i], 0.0) ** p
        norm = np.linalg.norm(dense[row])
        if norm > 0:
            dense[row] /= norm
    return torch.from_numpy(dense).float()


@pytest.mark.parametrize("k, p", [(1, 1), (3, 2), (40, 8), (40, 0.5), (7, 2.5)])
def test_sparsify_is_the_definition(k, p):
    relative = relative_representation(random_matrix(9, 6, 0), random_matrix(40, 6, 100))
    vectors = sparsify(relative, k, p)
    assert vectors.indices.shape == vectors.values.shape == (9, k)
    assert (vectors.n, vectors.nbytes) == (40, 8 * 9 * k)
    torch.testing.assert_close(vectors.to_dense(), reference(relative, k, p), atol=1e-5, rtol=1e-4)


@pytest.mark.parametrize("p", [1e3, 1e6, 1e30])
def test_a_huge_p_is_the_nearest_anchor(p):
    z, anchors = random_matrix(5, 6, 1) * 0.01, random_matrix(30, 6, 2)
    vectors = represent(z, anchors, Settings(10, p, center=False))
    assert vectors.indices[:, 0].tolist() == relative_representation(z, anchors).argmax(dim=1).tolist()
    assert (vectors.values[:, 0] > 0.9).all()


@pytest.mark.parametrize(
    "settings, words",
    [
        *[({"k": k}, f"k = {k}") for k in (0, -1, 41, 2.5, float("nan"), float("inf"), True)],
        *[({"p": p}, f"p = {p}") for p in (0, -1, float("nan"), float("inf"), 10**400, True)],
        ({"k": "3"}, "k = 3: the entries to keep must be a whole number"),
        ({"p": "2"}, "p = '2': the exponent is a finite number, 1e-06 or more"),
        ({"p": 1e-46}, "p = 1e-46: the exponent is"),
        ({"hubs": 2}, "hubs = 2"),
        *[({"hubs": hubs}, "from 0 to 1") for hubs in (-0.1, True, None, "0.5", np.array([0.5]))],
        *[({"whiten": whiten}, "vectors that are centred are whitened") for whiten in (0, 1.1, True, "1", np.ones(2))],
        *[({"center": center}, "True, or not, False") for center in (0, 1, None, "no")],
        ({"whiten": 0.8, "center": False}, "vectors that are centred are whitened"),
    ],
)
def test_settings_out_of_range_are_refused(settings, words):
    with pytest.raises(ParameterError, match=words) as error:
        Settings(**settings).checked(40)
    assert "\n" not in str(error.value)
    with pytest.raises(ParameterError, match=words):
        represent(torch.eye(6), random_matrix(40, 6, 2), Settings(**settings))


def test_k_has_a_sparse_default_at_any_size_and_may_come_from_a_computation():
    for n, k in [(1, 1), (4, 1), (793, 79), (8_000, 800), (1_600_000, 800)]:
        assert Settings().checked(n).k == k
    for k in (3.0, np.int64(3), torch.tensor(3)):
        assert Settings(k).checked(5) == Settings(3)
    computed = Settings(3, np.float32(1.5), np.bool_(True), Fraction(1, 4), np.float64(0.5)).checked(40)
    assert repr(computed) == "Settings(k=3, p=1.5, center=True, hubs=0.25, whiten=0.5)"
    with pytest.raises(ParameterError, match="10 anchors are too few"):
        Settings(hubs=0.5).checked(10)
    assert Settings(hubs=0.5).checked(11).k == 1


@pytest.mark.parametrize("k", [1, 7, 120, 900])
def test_the_kept_cosines_are_those_of_the_method(k):
    """To the last bit, also of tied, opposite and missing directions: 0.0 and -0.0 are a tie."""
    z, anchors = random_matrix(9, 6, 1).round(), random_matrix(900, 6, 2).round()
    z[3], anchors[::5] = 0, 0
    z[4], anchors[7::9] = torch.tensor([[1e-38, 1, 0, 0, 0, 0], [-1e-38, 0, 1, 0, 0, 0]])  # their cosine is -0.0
    kept, expected = SideAnchors(anchors).cosines(z, k), method.top_k(method.relative(z, anchors), k)
    assert all(map(torch.equal, (kept.values, kept.indices), expected))


@pytest.mark.parametrize("whiten", [None, 0.7])
def test_many_settings_of_one_search_are_those_of_one_search_each(whiten):
    """A sweep asks for the largest k once, and cuts. The mean is another one than that of the anchors."""
    z, anchors, mean = random_matrix(9, 6, 1), random_matrix(40, 6, 2) + 0.5, torch.full((6,), 0.3)
    side = SideAnchors(anchors, mean)
    kept = (side.whitened(whiten) if whiten else side).cosines(z, 40, hubs=True)
    for k, p, hubs in [(1, 2, 0), (5, 3, 0.25), (40, 1, 0.5)]:
        settings = Settings(k, p, hubs=hubs, whiten=whiten)
        alone = represent(z, anchors, settings, mean=mean)
        torch.testing.assert_close(kept.sparse(settings).to_dense(), alone.to_dense())


@pytest.mark.parametrize("settings", [Settings(7, 2), Settings(7, 2, hubs=0.5), Settings(7, 2, whiten=0.8)])
def test_many_questions_are_represented_block_by_block(settings, monkeypatch):
    """Their cosines never exist at once, and a bad question is named by its own number."""
    z, anchors, together = random_matrix(3_000, 6, 1), random_matrix(40, 6, 2), []
    of_block = KeptCosines.sparse
    monkeypatch.setattr(KeptCosines, "sparse", lambda kept, s: together.append(len(kept.values)) or of_block(kept, s))
    vectors = represent(z, anchors, settings)
    assert sum(together) == 3_000 and max(together) < 2_000
    some = represent(z[2_500:2_600], anchors, settings)
    assert torch.equal(vectors.indices[2_500:2_600], some.indices)
    torch.testing.assert_close(vectors.values[2_500:2_600], some.values)
    z[2_500, 3] = torch.nan
    with pytest.raises(ParameterError, match="row 2500 of the embeddings holds NaN"):
        represent(z, anchors, settings)


def test_anchors_in_pieces_are_whitened_without_gathering_them(monkeypatch):
    whole, z = random_matrix(2_600, 6, 2) @ random_matrix(6, 6, 3) + 1, random_matrix(9, 6, 1)
    rows = Rows([whole[:100], whole[90:2_000], whole[2_000:]], [None, np.arange(10, 1_910), None])
    expected = represent(z, whole, Settings(7, 2, whiten=0.5)).to_dense()
    monkeypatch.setattr(Rows, "gathered", None)
    torch.testing.assert_close(represent(z, rows, Settings(7, 2, whiten=0.5)).to_dense(), expected)


def test_a_small_bank_refuses_and_detaches_what_a_large_one_does():
    side = SideAnchors(random_matrix(40, 6, 2), torch.ones(6, requires_grad=True))
    assert not side.cosines(random_matrix(3, 6, 1).requires_grad_(), torch.tensor(5)).values.requires_grad
    for k in (0, 41, 2.5):
        with pytest.raises(ParameterError, match=f"k = {k}"):
            side.cosines(random_matrix(3, 6, 1), k)


@pytest.mark.parametrize("reduce", ["mean", "max"])
def test_many_captions_are_compared_without_their_dense_vectors(reduce, monkeypatch):
    images, texts = (sparsify(torch.rand(rows, 40), 5, 2) for rows in (9, 12))
    dense = images.similarity(texts, 4, reduce)
    monkeypatch.setattr("asif_lib.sparse.DENSE", 12 * 40 - 1)
    monkeypatch.setattr(SparseVectors, "to_dense", None)
    torch.testing.assert_close(images.similarity(texts, 4, reduce), dense)


@pytest.mark.once
def test_the_import_brings_the_method_and_little_else():
    """The compiler of the search, FAISS, encoders, tables and file formats are for those who search or open a bank."""
    code = "import asif_lib.zeroshot, sys; print(*sys.modules)"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    names = set(run.stdout.split())
    assert not {"faiss", "pandas", "pydantic", "scipy.sparse", "sklearn", "timm", "transformers"} & names
    assert not any(name.startswith(("asif_lib.encoders", "asif_lib.bank")) for name in names)
