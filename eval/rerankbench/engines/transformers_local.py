"""The engine `transformers`: a published model, or one in a folder, in this process."""

from __future__ import annotations

from typing import Any, ClassVar

from rerankbench.engines import weights
from rerankbench.engines.local_model import EXTRA, LocalModel, TransformersSettings
from rerankbench.engines.transformers_models import Task, load_model


class TransformersOptions(TransformersSettings):
    """
    Attributes:
        model: A name on the hub, or a folder.
        revision: Branch, tag or commit of a hub model.
        tokenizer: A name on the hub, or a folder, where the model comes without one (monoBERT); empty: the model's own.
    """

    model: str
    revision: str = "main"
    tokenizer: str = ""


class TransformersEngine(LocalModel):
    """A decoder, encoder or encoder-decoder in this process, through the transformers library.

    Raises:
        MissingExtra: torch or transformers is not installed.
        MissingWeights: the model, or its tokenizer, is not at hand.
    """

    Options: ClassVar = TransformersOptions
    name: ClassVar[str] = "transformers"
    caveat: ClassVar[str] = ""

    def __init__(self, options: TransformersOptions) -> None:
        weights.require(self.name, EXTRA, "torch", "transformers")
        folder = weights.model_folder(options.model, options.revision)
        tokenizer = weights.tokenizer_folder(options.tokenizer) if options.tokenizer else folder
        super().__init__(options, files=folder, tokenizer_files=tokenizer, called=options.model)

    @classmethod
    def provenance(cls, options: TransformersOptions) -> dict[str, str]:
        weights.require(cls.name, EXTRA, "torch", "transformers")
        found = weights.fingerprint(options.model, options.revision)
        return found | weights.tokenizer_fingerprint(options.tokenizer) if options.tokenizer else found

    def _load(self, task: Task) -> Any:
        return load_model(self._files, task, self._kind, self._library_settings(), self._model_name)
