"""Sentence encoders that need no sentence-transformers: a BERT or MPNet, and the mean over its tokens.

Both text encoders of the profiles are built this way. sentence-transformers takes about three seconds to import, and
gives the same embeddings, bit for bit. On a CPU the encoder that this library ships does not wait for `transformers`
either: ONNX Runtime computes it, up to rounding.
"""

import contextlib
import functools
import logging
from pathlib import Path

import torch
import torch.nn.functional as F
from tokenizers import Tokenizer

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
        beside = "sentence_bert_config.json", "config_sentence_transformers.json"
        others = [_settings(folder / name) for name in beside]
        pooling = _settings(folder / layers[1]["path"] / "config.json")
        return (
            names in (["Transformer", "Pooling"], ["Transformer", "Pooling", "Normalize"])
            and layers[0]["path"] == ""
            and not any((folder / layer["path"] / "config.json").exists() for layer in layers[2:])
            and model["model_type"] in _MODELS
            and "auto_map" not in model
            and not (folder / "adapter_config.json").exists()
            and ("pooling_mode" in pooling or pooling.get("pooling_mode_mean_tokens"))
            and all(map(_is_usual, (*others, pooling)))
        )
    except (OSError, ValueError, LookupError, TypeError, AttributeError, RecursionError):
        return False


def _settings(file):
    return read_json(file, dict) if file.exists() else {}


def _is_usual(settings):
    return all(key in _ANY or value in (_EXPECTED.get(key), None, False) for key, value in settings.items())


def load_tokenizer(folder, limit):
    """Return the tokenizer of `transformers`; a limit is the number of tokens that it keeps of a text."""
    from transformers import AutoTokenizer

    return AutoTokenizer.from_pretrained(folder, **({} if limit is None else {"model_max_length": limit}))


class MeanOfTokens(torch.nn.Module):
    """A sentence encoder with the layers, the tokenizer and the limit that `SentenceTransformer` would give it.

    Its folder is one for which `is_mean_of_tokens` holds.
    """

    def __init__(self, folder):
        super().__init__()
        from transformers import AutoModel

        layers = read_json(Path(folder) / "modules.json", list[dict])
        limit = _settings(Path(folder) / "sentence_bert_config.json").get("max_seq_length")
        self.tokenizer = load_tokenizer(folder, limit)
        how = {"use_safetensors": True, "add_pooling_layer": False, "output_loading_info": True}
        self.model, loaded = AutoModel.from_pretrained(folder, **how)
        if loaded["missing_keys"]:
            raise ValueError(f"its weights lack {min(loaded['missing_keys'])}")
        if limit is None:
            positions = self.model.config.max_position_embeddings
            limit = self.tokenizer.model_max_length = min(self.tokenizer.model_max_length, positions)
        self.max_seq_length = limit  # tokens that are read; the rest of a text is cut
        self.is_normal = len(layers) == 3  # the third brings the embeddings to unit length
        options = {"padding": True, "truncation": "longest_first", "return_tensors": "pt"}
        self.features = functools.partial(self.tokenizer, **options)

    def forward(self, input_ids, attention_mask, **others):
        """Return the (b, dim) embeddings of b texts, from the ids and the mask of their tokens, both (b, t)."""
        tokens = self.model(input_ids=input_ids, attention_mask=attention_mask, **others)[0]  # (b, t, dim)
        mask = attention_mask.unsqueeze(-1).to(tokens.dtype)  # no padding counts
        wide = torch.promote_types(tokens.dtype, torch.float32)
        mean = (tokens * mask).sum(dim=1, dtype=wide) / mask.sum(dim=1, dtype=wide).clamp(min=1e-9)
        return F.normalize(mean.to(tokens.dtype), dim=-1) if self.is_normal else mean.to(tokens.dtype)

    @torch.inference_mode()
    def encode(self, texts) -> torch.Tensor:
        """Return the (n, dim) embeddings of n strings, computed as one batch."""
        device = next(self.parameters()).device
        return self(**{name: tensor.to(device) for name, tensor in self.features(list(texts)).items()})


class OnnxSentences:
    """A `MeanOfTokens` whose layers ONNX Runtime computes, and whose tokens are cut without `transformers`.

    The `model` is a `MeanOfTokens`, exported: from the ids and the mask of tokens to embeddings. The `folder` holds the
    tokenizer and the settings.
    """

    def __init__(self, model, folder):
        self.model, self.folder = model, Path(folder)
        self.max_seq_length = read_json(self.folder / "sentence_bert_config.json", dict)["max_seq_length"]
        pad = read_json(self.folder / "tokenizer_config.json", dict)["pad_token"]
        self.tokens = Tokenizer.from_file(str(self.folder / "tokenizer.json"))
        self.tokens.enable_truncation(self.max_seq_length)
        self.tokens.enable_padding(pad_id=self.tokens.token_to_id(pad), pad_token=pad)

    @functools.cached_property
    def tokenizer(self):
        """The tokenizer of `transformers`."""
        return load_tokenizer(self.folder, self.max_seq_length)

    def encode(self, texts) -> torch.Tensor:
        """Return the (n, dim) embeddings of n strings, computed as one batch."""
        rows = self.tokens.encode_batch(list(texts))
        return self.model(torch.tensor([row.ids for row in rows]), torch.tensor([row.attention_mask for row in rows]))


@contextlib.contextmanager
def quiet_transformers():
    """Keep `transformers` silent: its bar and its table of tensor names tell the reader of a notebook nothing."""
    from transformers.utils import logging as hf_logging

    level, shown = hf_logging.get_verbosity(), hf_logging.is_progress_bar_enabled()
    hf_logging.set_verbosity_error()
    hf_logging.disable_progress_bar()
    logging.getLogger("sentence_transformers").setLevel(logging.WARNING)
    try:
        yield
    finally:
        hf_logging.set_verbosity(level)
        if shown:
            hf_logging.enable_progress_bar()
