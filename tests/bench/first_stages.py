"""``make bench``, second half: what building and loading candidate lists costs, beside what one would use instead.

    python -m tests.bench.first_stages

Needs SciFact in the local mirror (RERANKBENCH_DATA, else ../shared/data); says what is left out where something is missing.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Any

import orjson

sys.path.insert(0, str(Path(__file__).parents[1]))

from bench import bench_dense, bench_lists, bench_lucene
from rerankbench.manifest import environment

REPORT = Path(__file__).parents[2] / "reports" / "bench"
SCIFACT = Path(os.environ.get("RERANKBENCH_DATA", Path(__file__).parents[3] / "shared" / "data")) / "beir" / "scifact"


def main() -> None:
    figures: dict[str, dict[str, Any]] = {
        "bm25_lucene": bench_lucene.ours(),
        "bm25_pyserini_command_line": bench_lucene.pyserini(),
        "bm25_bm25s": bench_lucene.bm25s(),
        "dense_scifact": bench_dense.scifact(SCIFACT) if SCIFACT.is_dir() else {"skipped": "no beir/scifact in the local mirror"},
        "dense_million": bench_dense.million(),
        "loading_lists": bench_lists.loading(),
    }
    REPORT.mkdir(parents=True, exist_ok=True)
    machine = environment()
    content = orjson.dumps({"environment": machine, **figures}, option=orjson.OPT_INDENT_2 | orjson.OPT_SORT_KEYS)
    (REPORT / "first-stages.json").write_bytes(content + b"\n")
    hardware = machine["hardware"]
    table = _table(figures, f"{hardware['cpu']}, {hardware['cores']} cores, Python {machine['python']}")
    (REPORT / "first-stages.md").write_text(table, encoding="utf-8")
    sys.stdout.write(table)


def _table(figures: dict[str, dict[str, Any]], machine: str) -> str:
    lines = ["# First stages", "", f"Measured on {machine}. SciFact: 5,183 documents, depth 100.", ""]
    lines += [
        "| BM25 on SciFact | documents/s | queries/s | peak while indexing | peak while searching | nDCG@10 |",
        "|---|---|---|---|---|---|",
    ]
    names = {
        "bm25_lucene": "rerankbench (Anserini)",
        "bm25_pyserini_command_line": "Pyserini's command line",
        "bm25_bm25s": "bm25s, no stemmer",
    }
    lines += [_bm25_row(title, figures[name]) for name, title in names.items()]
    dense, million, loading = figures["dense_scifact"], figures["dense_million"], figures["loading_lists"]
    lines += ["", "| other | figure |", "|---|---|"]
    if "skipped" in dense:
        lines.append(f"| dense first stage on SciFact | left out: {dense['skipped']} |")
    else:
        lines += [
            f"| all-MiniLM-L6-v2 on SciFact: encoding | {dense['encode_documents_per_second']:.1f} documents/s |",
            f"| … retrieving, queries embedded and texts fetched | {dense['retrieve_queries_per_second']:.0f} queries/s |",
            f"| … peak memory | {dense['peak_bytes'] / 1e6:,.0f} MB |",
            f"| … nDCG@10, R@100 | {dense['nDCG@10']:.4f}, {dense['R@100']:.4f} |",
        ]
    lines += [
        f"| exact search, 50 queries over 1,000,000 × 384 in float16 on disk | {million['ours_seconds']:.2f} s |",
        f"| … numpy over float32 in memory | {million['numpy_in_memory_seconds']:.2f} s |",
        f"| … faiss over float32 in memory | {million['faiss_in_memory_seconds']:.2f} s |",
        f"| loading candidate lists, every check on | {loading['ours_mb_per_s']:.0f} MB/s |",
        f"| … json line by line, no check | {loading['json_mb_per_s']:.0f} MB/s |",
    ]
    return "\n".join([*lines, ""])


def _bm25_row(title: str, figures: dict[str, Any]) -> str:
    if "skipped" in figures:
        return f"| {title} | left out: {figures['skipped']} | | | | |"
    peaks = [f"{figures[key] / 1e6:,.0f} MB" for key in ("index_peak_bytes", "search_peak_bytes")]
    speeds = f"{figures['documents_per_second']:,.0f} | {figures['queries_per_second']:,.0f}"
    return f"| {title} | {speeds} | {peaks[0]} | {peaks[1]} | {figures['ndcg_at_10']:.4f} |"


if __name__ == "__main__":
    main()
