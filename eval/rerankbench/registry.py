"""Short names of rankers, engines and first stages, and the classes behind them. Imports a class only when it is asked for."""

from __future__ import annotations

from importlib import import_module

from rerankbench.errors import ConfigError, nearest

RANKERS = {
    "identity": "rerankbench.rankers.identity:IdentityRanker",
    "oracle": "rerankbench.rankers.identity:OracleRanker",
    "embedding": "rerankbench.rankers.embedding:EmbeddingRanker",
    "listwise": "rerankbench.rankers.listwise:ListwiseRanker",
    "setwise": "rerankbench.rankers.setwise:SetwiseRanker",
    "pairwise": "rerankbench.rankers.pairwise:PairwiseRanker",
    "tournament": "rerankbench.rankers.tournament:TournamentRanker",
    "pointwise": "rerankbench.rankers.pointwise:PointwiseRanker",
    "blockwise": "rerankbench.rankers.blockwise:BlockwiseRanker",
    "run": "rerankbench.rankers.run_file:RunFileRanker",
}

ENGINES = {
    "lexical": "rerankbench.engines.lexical:LexicalEngine",
    "scripted": "rerankbench.engines.scripted:ScriptedEngine",
    "sentence_transformers": "rerankbench.engines.sentence_transformers:SentenceTransformersEngine",
    "transformers": "rerankbench.engines.transformers_local:TransformersEngine",
    "jina": "rerankbench.engines.jina:JinaEngine",
    "vllm": "rerankbench.engines.vllm_offline:VllmEngine",
    "random-weights": "rerankbench.engines.random_weights:RandomTransformersEngine",
    "random-weights-vllm": "rerankbench.engines.random_weights:RandomVllmEngine",
    "openai": "rerankbench.engines.openai_http:OpenAIEngine",
}

FIRST_STAGES = {
    "lucene": "rerankbench.first_stages.lucene:LuceneBm25",
    "dense": "rerankbench.first_stages.dense:DenseFirstStage",
    "sparse": "rerankbench.first_stages.sparse:SparseFirstStage",
    "fusion": "rerankbench.first_stages.fusion_stage:FusionFirstStage",
    "file": "rerankbench.first_stages.from_file:FileFirstStage",
    "published": "rerankbench.first_stages.from_file:PublishedFirstStage",
}

TABLES = {"ranker": RANKERS, "engine": ENGINES, "first_stage": FIRST_STAGES}


def find(kind: str, name: str) -> type:
    """Return the class behind a short name, or behind a ``"module:Class"`` of your own.

    Args:
        kind: ``"ranker"``, ``"engine"`` or ``"first_stage"``.

    Raises:
        ConfigError: the name is unknown, or the module or class cannot be imported.
    """
    table, what = TABLES[kind], kind.replace("_", " ")
    target = name if ":" in name else table.get(name)
    if target is None:
        raise ConfigError(
            f"There is no {what} {name!r}. {nearest(name, table)}", hint=f"A {what} of your own is named as 'your.module:YourClass'."
        )
    module, _, attribute = target.partition(":")
    try:
        found = getattr(import_module(module), attribute)
    except (ImportError, AttributeError, ValueError) as error:
        raise ConfigError(f"{what.capitalize()} {name!r}: cannot import {target!r}: {error}") from error
    if not isinstance(found, type):
        raise ConfigError(f"{what.capitalize()} {name!r}: {target!r} is not a class.")
    return found
