"""Which class of the transformers library a task needs, and its weights on a device. Knows no input."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from rerankbench.errors import EngineError

if TYPE_CHECKING:
    import torch

Task = Literal["embed", "generate", "pairs"]
Kind = Literal["decoder", "encoder", "encoder-decoder"]

PACKABLE = frozenset({"llama", "mistral", "qwen2", "qwen3"})
"""Model types whose packed numbers are known to be right: the tests hold them against single texts."""

_POSITIONS_BEHIND_PADDING = frozenset(
    {"camembert", "data2vec-text", "longformer", "mpnet", "roberta", "roberta-prelayernorm", "xlm-roberta", "xlm-roberta-xl", "xmod"}
)
"""Model types that count positions from behind their padding id: XLM-R has 514 of them and reads 512 tokens."""


_FUSED_NAMES: Mapping[str, str] = {
    r"^encoder\.encoder\.block\.(\d+)\.module\.": r"encoder.block.\1.",
    r"^encoder\.encoder\.": "encoder.",
}
"""How weights of a T5 may be called that was saved with Fusion-in-Decoder's wrappers around its encoder (ListT5's FiDT5.py)."""


def kind_of(shape: Any) -> Kind:
    """What a configuration describes. BERT and its like can be made decoders; only what has no masked-language head is one here."""
    from transformers.models.auto import modeling_auto

    if shape.is_encoder_decoder:
        return "encoder-decoder"
    causal, masked = modeling_auto.MODEL_FOR_CAUSAL_LM_MAPPING_NAMES, modeling_auto.MODEL_FOR_MASKED_LM_MAPPING_NAMES
    return "decoder" if shape.model_type in causal and shape.model_type not in masked else "encoder"


def positions_of(shape: Any) -> int | None:
    """The longest input in tokens; None for a model whose positions are relative (T5), which has no such limit."""
    positions = getattr(shape, "max_position_embeddings", None)
    if positions is not None and shape.model_type in _POSITIONS_BEHIND_PADDING:
        positions -= (shape.pad_token_id or 0) + 1
    return positions


def can_pack(shape: Any, longest: int) -> bool:
    """Whether packed rows mean the same as padded ones for inputs of up to `longest` tokens: a decoder, and no sliding window yet."""
    window = getattr(shape, "sliding_window", None)
    return kind_of(shape) == "decoder" and (window is None or longest <= window)


def auto_class(task: Task, kind: Kind, name: str) -> Any:
    """
    Raises:
        EngineError: models of this kind are not for this task.
    """
    import transformers

    names = {
        ("embed", "decoder"): "AutoModel",
        ("embed", "encoder"): "AutoModel",
        ("generate", "decoder"): "AutoModelForCausalLM",
        ("generate", "encoder-decoder"): "AutoModelForSeq2SeqLM",
        ("pairs", "encoder"): "AutoModelForSequenceClassification",
    }
    if (task, kind) not in names:
        raise EngineError(f"Model {name!r} is of the kind {kind!r}, which is not for {_USES[task]}.")
    return getattr(transformers, names[task, kind])


_USES: Mapping[Task, str] = {"embed": "embeddings", "generate": "answers or scores of answers", "pairs": "scores of pairs"}


def load_model(folder: Path, task: Task, kind: Kind, settings: Mapping[str, Any], name: str) -> Any:
    """A model with its weights, where it was loaded to.

    Args:
        settings: Dtype and attention for the library.
        name: What the user calls the model.

    Raises:
        EngineError: the files lack weights, or the model is of the wrong kind.
    """
    renamed = {"key_mapping": dict(_FUSED_NAMES)} if kind == "encoder-decoder" else {}
    model, report = auto_class(task, kind, name).from_pretrained(
        folder, local_files_only=True, trust_remote_code=False, output_loading_info=True, **settings, **renamed
    )
    # The library only warns here, and fills what is missing with random numbers. The pooler of an encoder is not read for embeddings.
    missing = sorted(key for key in report["missing_keys"] if not (task == "embed" and key.startswith("pooler.")))
    if missing:
        raise EngineError(
            f"The files of model {name!r} lack {len(missing)} weights of {type(model).__name__}, the first is {missing[0]!r}.",
            hint="The download may be incomplete, or the checkpoint of another kind: one for embeddings has no language head.",
        )
    return model


def choose_device(device: str) -> torch.device:
    """
    Raises:
        EngineError: a CUDA device is asked for where there is none.
    """
    import torch

    if device == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    if device.startswith("cuda") and not torch.cuda.is_available():
        raise EngineError(f"Device {device!r} is asked for, but torch sees no CUDA device.", hint="Set device: auto, or device: cpu.")
    return torch.device(device)
