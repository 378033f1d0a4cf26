"""Models that were trained on pairs, such as CLIP and SigLIP, through `transformers`: two encoders of one space."""

import torch
from PIL import Image

from asif_lib.encoders.encoder import encoder_errors
from asif_lib.encoders.identity import EncoderIdentity
from asif_lib.encoders.image import ImageEncoder
from asif_lib.encoders.sentence import quiet_transformers
from asif_lib.encoders.text import TextEncoder
from asif_lib.encoders.weights import configuration, folder_checksum, model_folder, short_name
from asif_lib.errors import import_extra
from asif_lib.machine import resolve_device


class _Towers(torch.nn.Module):
    """The model's own embeddings of pictures, ``forward``, and of texts, ``embed_texts``."""

    def __init__(self, model, tokenizer):
        super().__init__()
        self.model, self.tokenizer = model, tokenizer
        self.max_seq_length = model.config.text_config.max_position_embeddings
        # SigLIP was trained with texts that are padded to the full length, and without a mask
        self.is_padded = model.config.model_type.startswith("siglip")

    def forward(self, pixels):
        return self.model.get_image_features(pixel_values=pixels).pooler_output

    @torch.inference_mode()
    def embed_texts(self, texts):
        how = {"padding": "max_length" if self.is_padded else True, "return_attention_mask": not self.is_padded}
        cut = {"truncation": True, "max_length": self.max_seq_length}
        tokens = self.tokenizer(list(texts), return_tensors="pt", **how, **cut).to(self.model.device)
        return self.model.get_text_features(**tokens).pooler_output


class _PictureTower(ImageEncoder):
    def __init__(self, towers, processor, identity, device):
        self.transform = lambda picture: processor(picture, return_tensors="pt")["pixel_values"][0]
        super().__init__(towers, {"crop_mode": "of the processor"}, identity, device)


def load_contrastive(name, *, device="auto"):
    """Load a model that embeds pictures and texts in one space, and return its two encoders.

    The cosine of a picture and a text is the model's own score, up to its temperature and bias.

    Raises `EncoderError` or `MissingExtraError` if the model is not found, has only pickled weights, lacks some, does
    not embed both pictures and texts, or needs a package for its tokenizer that is not installed.

    Parameters
    ----------
    name : str or Path
        Of a repository of the hub, such as ``"openai/clip-vit-large-patch14"``, or a folder in its format.
    device : {"auto", "cpu", "cuda", "mps"}

    Returns
    -------
    ImageEncoder, TextEncoder
    """
    from transformers import AutoImageProcessor, AutoModel, AutoTokenizer

    folder, source = model_folder(name, "image")
    checksum, settings = folder_checksum(folder), configuration(folder)
    own = {"trust_remote_code": False, "local_files_only": True}
    device = resolve_device(device)
    with quiet_transformers(), encoder_errors(name, "transformers"):
        try:
            model, loaded = AutoModel.from_pretrained(folder, use_safetensors=True, output_loading_info=True, **own)
            if not all(hasattr(model, f"get_{kind}_features") for kind in ("image", "text")):
                raise ValueError(f"a {type(model).__name__} does not embed both pictures and texts, as CLIP does")
            if loaded["missing_keys"]:
                raise ValueError(f"its weights lack {min(loaded['missing_keys'])}")
            towers = _Towers(model, AutoTokenizer.from_pretrained(folder, **own))
            processor = AutoImageProcessor.from_pretrained(folder, **own)
            towers = towers.eval().requires_grad_(False).to(device)
            dim, steps = towers.embed_texts(["dimension"]).shape[1], f"{type(model).__name__}, {settings}"
            picture = processor(Image.new("RGB", (64, 64)), return_tensors="pt")["pixel_values"]
            towers(picture.to(device))  # settings that cannot work are refused now
        except ImportError:
            for package in ("sentencepiece", "google.protobuf"):  # which the tokenizer of SigLIP needs
                import_extra(package, "hub")
            raise
    identities = [
        EncoderIdentity(kind, short_name(name), source, checksum, f"{how}, {steps}", dim)
        for kind, how in (("image", type(processor).__name__), ("text", type(towers.tokenizer).__name__))
    ]
    pictures = _PictureTower(towers, processor, identities[0], device)
    return pictures, TextEncoder(towers, towers.embed_texts, identities[1], device)
