"""Sentence encoders that need no sentence-transformers: a BERT or MPNet, and the mean over its tokens.

Both text encoders of the profiles are built this way. sentence-transformers takes about three seconds to import, and
gives the same embeddings, bit for bit. The encoder that this library ships does not wait for `transformers` either.
"""

import functools
from pathlib import Path

import torch
import torch.nn.functional as F

from asif_lib.files import read_json

from .bert import Bert, token_features

_MODELS = ("bert", "mpnet")
_ANY = ("max_seq_length", "embedding_dimension", "word_embedding_dimension", "include_prompt")
_ANY += ("__version__", "model_type", "prompts", "similarity_fn_name")
"""Settings whose value is read here, or changes no embedding."""
_EXPECTED = {
    "pooling_mode": "mean",
    "pooling_mode_mean_tokens": True,
    "transformer_task": "feature-extraction",
    "modality_config": {"text": {"method": "forward", "method_output_name": "last_hidden_state"}},
    "module_output_name": "token_embeddings",
}
"""The values of a mean over tokens; any other setting must be off."""


def is_mean_of_tokens(folder) -> bool:
    """Whether a sentence-transformers folder holds what `MeanOfTokens` computes, and nothing else.

    That is a BERT or MPNet, pooling by the mean and, perhaps, a normalisation, without a default prompt. A folder
    with any other setting, or a damaged one, is left to sentence-transformers.
    """
    folder = Path(folder)
    try:
        layers = read_json(folder / "modules.json", list[dict])
        names = [layer["type"].rpartition(".")[2] for layer in layers]
        model = _settings(folder / "config.json")
        told = [_settings(folder / name) for name in ("sentence_bert_config.json", "config_sentence_transformers.json")]
        pooling = _settings(folder / layers[1]["path"] / "config.json")
        return (
            names in (["Transformer", "Pooling"], ["Transformer", "Pooling", "Normalize"])
            and layers[0]["path"] == ""
            and not any((folder / layer["path"] / "config.json").exists() for layer in layers[2:])
            and model["model_type"] in _MODELS
            and "auto_map" not in model
            and not (folder / "adapter_config.json").exists()
            and ("pooling_mode" in pooling or pooling.get("pooling_mode_mean_tokens"))
            and all(map(_is_usual, (*told, pooling)))
        )
    except (OSError, ValueError, LookupError, TypeError, AttributeError):
        return False


def _settings(file):
    return read_json(file, dict) if file.exists() else {}


def _is_usual(settings):
    return all(key in _ANY or value in (_EXPECTED.get(key), None, False) for key, value in settings.items())


class Transformer(torch.nn.Module):
    """A transformer and its tokenizer: features of tokens in, ``token_embeddings`` (b, t, dim) added."""

    def __init__(self, folder, max_seq_length, shipped):
        super().__init__()
        self.folder, self.max_seq_length = folder, max_seq_length
        if shipped:
            self.model, self.features = Bert(folder), token_features(folder, max_seq_length)
            return
        from transformers import AutoModel

        self.model = AutoModel.from_pretrained(folder, use_safetensors=True)
        if max_seq_length is None:
            positions = self.model.config.max_position_embeddings
            self.max_seq_length = min(self.tokenizer.model_max_length, positions)
            self.tokenizer.model_max_length = self.max_seq_length
        options = {"padding": True, "truncation": "longest_first", "return_tensors": "pt"}
        self.features = functools.partial(self.tokenizer, **options)

    @functools.cached_property
    def tokenizer(self):
        """The tokenizer of `transformers`."""
        from transformers import AutoTokenizer

        limit = {} if self.max_seq_length is None else {"model_max_length": self.max_seq_length}
        return AutoTokenizer.from_pretrained(self.folder, **limit)

    def forward(self, features):
        """Return the features with the embeddings of the tokens."""
        return {**features, "token_embeddings": self.model(**features)[0]}


class Pooling(torch.nn.Module):
    """The mean over the tokens of a sentence, without padding: ``sentence_embedding`` (b, dim) added."""

    def forward(self, features):
        tokens = features["token_embeddings"]
        mask = features["attention_mask"].unsqueeze(-1).to(tokens.dtype)
        wide = torch.promote_types(tokens.dtype, torch.float32)
        mean = (tokens * mask).sum(dim=1, dtype=wide) / mask.sum(dim=1, dtype=wide).clamp(min=1e-9)
        return {**features, "sentence_embedding": mean.to(tokens.dtype)}


class Normalize(torch.nn.Module):
    """Sentence embeddings brought to unit length."""

    def forward(self, features):
        return {**features, "sentence_embedding": F.normalize(features["sentence_embedding"], dim=-1)}


class MeanOfTokens(torch.nn.Sequential):
    """A sentence encoder with the layers, the tokenizer and the limit that `SentenceTransformer` would give it.

    Parameters
    ----------
    folder : path
        For which `is_mean_of_tokens` holds.
    shipped : bool
        Whether it is the folder of the package with all-MiniLM-L6-v2, as published.
    """

    def __init__(self, folder, shipped=False):
        layers = read_json(Path(folder) / "modules.json", list[dict])
        max_seq_length = _settings(Path(folder) / "sentence_bert_config.json").get("max_seq_length")
        ends = [Normalize()] if len(layers) == 3 else []
        super().__init__(Transformer(folder, max_seq_length, shipped), Pooling(), *ends)

    @property
    def tokenizer(self):
        """The tokenizer of the transformer."""
        return self[0].tokenizer

    @property
    def max_seq_length(self) -> int:
        """Tokens that are read; the rest of a text is cut."""
        return self[0].max_seq_length

    @property
    def device(self) -> torch.device:
        """Where the weights are."""
        return next(self.parameters()).device

    @torch.inference_mode()
    def encode(self, texts) -> torch.Tensor:
        """Return the (n, dim) embeddings of n strings, computed as one batch."""
        features = {name: tensor.to(self.device) for name, tensor in self[0].features(list(texts)).items()}
        return self(features)["sentence_embedding"]
