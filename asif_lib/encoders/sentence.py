"""Sentence encoders that need `transformers` alone: a BERT or MPNet, and the mean over its tokens.

Both text encoders of the profiles are built this way. sentence-transformers takes about three seconds to import, and
gives the same embeddings, bit for bit.
"""

from pathlib import Path

import torch
import torch.nn.functional as F
from transformers import AutoModel, AutoTokenizer

from asif_lib.files import read_json

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

    def __init__(self, folder, max_seq_length):
        super().__init__()
        self.model = AutoModel.from_pretrained(folder, use_safetensors=True)
        limit = {} if max_seq_length is None else {"model_max_length": max_seq_length}
        self.tokenizer = AutoTokenizer.from_pretrained(folder, **limit)
        if not limit:
            positions = self.model.config.max_position_embeddings
            self.tokenizer.model_max_length = min(self.tokenizer.model_max_length, positions)

    def forward(self, features):
        return {**features, "token_embeddings": self.model(**features).last_hidden_state}


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
    """A sentence encoder with the layers, the tokenizer and the limit that `SentenceTransformer` would give it."""

    def __init__(self, folder):
        layers = read_json(Path(folder) / "modules.json", list[dict])
        max_seq_length = _settings(Path(folder) / "sentence_bert_config.json").get("max_seq_length")
        ends = [Normalize()] if len(layers) == 3 else []
        super().__init__(Transformer(folder, max_seq_length), Pooling(), *ends)

    @property
    def tokenizer(self):
        """The tokenizer of the transformer."""
        return self[0].tokenizer

    @property
    def max_seq_length(self) -> int:
        """Tokens that are read; the rest of a text is cut."""
        return self.tokenizer.model_max_length

    @property
    def device(self) -> torch.device:
        """Where the weights are."""
        return self[0].model.device

    @torch.inference_mode()
    def encode(self, texts) -> torch.Tensor:
        """Return the (n, dim) embeddings of n strings, computed as one batch."""
        features = self.tokenizer(list(texts), padding=True, truncation="longest_first", return_tensors="pt")
        return self(dict(features.to(self.device)))["sentence_embedding"]
