"""Engines beside plain loops on DL19, written to ``reports/bench/engines-<device>.json`` and rendered beside it.

python -m tests.bench.engines --engine transformers
.venv-vllm/bin/python -m tests.bench.engines --engine vllm
python -m tests.bench.engines --engine vllm --shape qwen3-8b --dtype bfloat16 --device cuda     (on a GPU host)

Figures of several calls on one device are kept side by side in one file.
"""

from __future__ import annotations

import argparse
import re
import shutil
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import orjson

sys.path.insert(0, str(Path(__file__).parents[1]))

from bench import bench_engines as bench
from bench import render_engines
from rerankbench.benchmarks import Benchmarks, mirror_folder
from rerankbench.manifest import environment
from rerankbench.records import CandidateList

HERE = Path(__file__).parent
REPORTS = HERE.parents[1] / "reports" / "bench"
OWN = {"small": HERE / "small-qwen3.json", "tiny": bench.REGISTERED / "qwen3-tiny.json"}
"""Shapes that a CPU runs in minutes: 44 and 20 million parameters, of which the layers have 4.7 and 0.4 million."""


def main() -> None:
    asked = _arguments()
    data = mirror_folder(asked.data or str(HERE.parents[2] / "shared" / "data"))
    if data is None:
        raise SystemExit("No local mirror of the data: name one with --data DIR.")
    lists = list(Benchmarks(data).open("dl19").candidates("bm25", 100))
    with model_folder(asked.shape, data / "tokenizers" / "Qwen3-0.6B") as folder:
        setting = bench.Setting(
            asked.engine,
            folder,
            asked.dtype,
            asked.device,
            at_once=asked.at_once,
            max_new_tokens=asked.max_new_tokens,
            memory_share=asked.memory_share,
            batch_tokens=asked.batch_tokens,
            enforce_eager=not asked.graphs,
        )
        peak = matrix_rate(asked.device)
        for name in asked.what:
            figures = _measures(asked)[name](setting, lists[: asked.queries or len(lists)])
            if name == "e2rank":
                figures |= utilisation(figures, setting.folder, peak)
            _keep(asked, name, figures, peak)
            print(name, orjson.dumps(figures).decode(), flush=True)


def _measures(asked: argparse.Namespace) -> dict[str, Callable[[bench.Setting, Sequence[CandidateList]], bench.Figures]]:
    return {
        "e2rank": bench.e2rank,
        "sweep": bench.sweep,
        "windows": lambda setting, lists: bench.sliding_windows(setting, lists, asked.loop_queries),
        "outside": bench.outside,
        "tokenising": bench.tokenising,
    }


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--engine", choices=("transformers", "vllm"), required=True)
    parser.add_argument("--shape", default="small", help="tiny, small, qwen3-0.6b, qwen3-4b or qwen3-8b")
    parser.add_argument("--dtype", default="float32")
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--data", default="")
    parser.add_argument("--queries", type=int, default=0, help="only the first so many queries")
    parser.add_argument("--loop-queries", type=int, default=4)
    parser.add_argument("--at-once", type=int, default=32)
    parser.add_argument("--max-new-tokens", type=int, default=128)
    parser.add_argument("--memory-share", type=float, default=0.8)
    parser.add_argument("--batch-tokens", type=int, default=16384)
    parser.add_argument("--graphs", action="store_true", help="vLLM: let it capture graphs")
    parser.add_argument("--what", nargs="+", default=["e2rank", "sweep"], choices=("e2rank", "sweep", "windows", "outside", "tokenising"))
    return parser.parse_args()


@contextmanager
def model_folder(shape: str, tokenizer: Path) -> Iterator[Path]:
    """A folder with the shape's ``config.json`` and the tokenizer, without weights."""
    shipped = bench.REGISTERED / f"{shape}.json"
    with tempfile.TemporaryDirectory() as made:
        shutil.copy(OWN.get(shape, shipped), Path(made) / "config.json")
        for file in tokenizer.iterdir():
            shutil.copy(file, made)
        yield Path(made)


def matrix_rate(device: str) -> float:
    """Floating-point operations a second of a large matrix product: bfloat16 on a GPU, float32 on a CPU; the best of five."""
    import time

    import torch

    on_gpu = device.startswith("cuda")
    size, dtype = (8192, torch.bfloat16) if on_gpu else (2048, torch.float32)
    generator = torch.Generator(device=device).manual_seed(0)
    a, b = (torch.randn(size, size, generator=generator, device=device, dtype=dtype) for _ in range(2))
    best = float("inf")
    for _ in range(8):
        start = time.perf_counter()
        torch.mm(a, b)
        if on_gpu:
            torch.cuda.synchronize()
        best = min(best, time.perf_counter() - start)
    return 2 * size**3 / best


def utilisation(figures: bench.Figures, folder: Path, peak: float) -> bench.Figures:
    """The share of `peak` that the weights' matrix products reach: 2 operations a parameter and token, attention and embedding apart."""
    parameters = bench.matrices(orjson.loads((folder / "config.json").read_bytes()))
    rate = 2 * parameters * float(figures["tokens_per_second"])
    return {"layer_parameters": parameters, "flop_per_second": rate, "share_of_matrix_rate": rate / peak}


def _keep(asked: argparse.Namespace, name: str, figures: bench.Figures, peak: float) -> None:
    machine = environment()
    device = (machine["hardware"]["gpus"] or [machine["hardware"]["cpu"]])[0] if asked.device != "cpu" else machine["hardware"]["cpu"]
    slug = re.sub(r"[^a-z0-9]+", "-", device.lower()).strip("-")
    file = REPORTS / f"engines-{slug}.json"
    kept: dict[str, Any] = orjson.loads(file.read_bytes()) if file.is_file() else {}
    key = f"{name} | {asked.engine} | {asked.shape} | {asked.dtype}"
    said = {k: v for k, v in vars(asked).items() if k not in {"data", "what"}}
    kept[key] = {"figures": figures, "settings": said, "matrix_flop_per_second": peak, "environment": machine}
    REPORTS.mkdir(parents=True, exist_ok=True)
    file.write_bytes(orjson.dumps(kept, option=orjson.OPT_INDENT_2 | orjson.OPT_SORT_KEYS) + b"\n")
    file.with_suffix(".md").write_text(render_engines.table(device, kept), encoding="utf-8")


if __name__ == "__main__":
    main()
