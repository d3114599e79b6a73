"""Configurations are strict: whatever is wrong is refused with file, line, key and the nearest valid names."""

from __future__ import annotations

from pathlib import Path

import pytest

from rerankbench.config import Experiment, load_experiment, load_systems
from rerankbench.errors import ConfigError

MINIMAL = """
title: t
benchmarks: [mini]
systems: [BM25]
"""
SYSTEMS = """
systems:
  BM25:
    ranker: {kind: identity}
  window:
    ranker: {kind: listwise, window: 20, step: 10}
    engine: {kind: scripted, mode: echo}
    weights: {status: published, how: download it}
"""


def _load(tmp_path: Path, text: str, *assignments: str) -> Experiment:
    (tmp_path / "systems.yaml").write_text(SYSTEMS, encoding="utf-8")
    path = tmp_path / "exp.yaml"
    path.write_text(text, encoding="utf-8")
    return load_experiment(str(path), assignments)


def test_a_minimal_experiment_has_the_papers_defaults(tmp_path: Path) -> None:
    experiment = _load(tmp_path, MINIMAL)
    assert experiment.name == "exp"
    assert experiment.depths == (100,)
    assert experiment.first_stages == ("bm25",)
    assert experiment.file.measures == ("nDCG@10",)
    assert experiment.file.missing == "error"
    assert [s.name for s in experiment.systems] == ["BM25"]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (MINIMAL + "benchmark: [x]", r"exp\.yaml:5: key 'benchmark': unknown key 'benchmark'\. Did you mean 'benchmarks'"),
        (MINIMAL + "depth: ten", r"exp\.yaml:5: key 'depth': .*integer.*'ten'"),
        (MINIMAL + "depth: 0", r"greater than or equal to 1"),
        (MINIMAL + "depth: '10'", r"valid integer"),
        (MINIMAL + "missing: ignore", r"'error', 'zero' or 'skip'"),
        (MINIMAL + "title: again", r"key 'title' stands here a second time"),
        ("title: t\nbenchmarks: [mini]", r"key 'systems': this key is needed"),
        ("title: t\nbenchmarks: []\nsystems: [BM25]", r"key 'benchmarks': .*at least 1 item"),
        ("- a\n- b", r"expected a mapping"),
        ("title: [", r"not valid YAML"),
        ("title: t\nbenchmarks: [mini]\nsystems: [BM26]", r"there is no system 'BM26'\. Did you mean 'BM25'\?"),
        ("title: t\nbenchmarks: [mini]\nsystems: [{name: a, ranker: {kind: listwize}}]", r"no ranker 'listwize'\. Did you mean 'listwise'"),
        (
            "title: t\nbenchmarks: [mini]\nsystems: [{name: a, ranker: {kind: identity}, engine: lexica}]",
            r"no engine 'lexica'\. Did you mean",
        ),
        ("title: t\nbenchmarks: [mini]\nsystems:\n- {base: window, ranker: {windw: 3}}", r"exp\.yaml:4: .*windw.*Did you mean 'window'"),
        ("title: t\nbenchmarks: [mini]\nsystems: [{base: window, ranker: {step: 0}}]", r"expected a step from 1 to the window's size"),
        ("title: t\nbenchmarks: [mini]\nsystems: [{base: window, ranker: {step: 21}}]", r"documents would be skipped"),
        ("title: t\nbenchmarks: [mini]\nsystems: [{ranker: {kind: identity}}]", r"needs a 'name'"),
        ("title: t\nbenchmarks: [mini]\nsystems: [{name: a}]", r"a ranker needs a 'kind'"),
        ("title: t\nbenchmarks: [mini]\nsystems: [{name: 'a/b', ranker: {kind: identity}}]", r"should match pattern"),
        ("title: t\nbenchmarks: [mini]\nsystems: [BM25, BM25]", r"two systems are called 'BM25'"),
        (MINIMAL + "averages: {avg: [dl19]}", r"average 'avg' is over dl19, not among"),
        (MINIMAL + "sweep: {ranker.window: [1]}", r"no system of this experiment has an option 'ranker\.window'"),
        ("title: t\nbenchmarks: [mini]\nsystems: [{base: window, sweep: {ranker.windows: [1]}}]", r"Did you mean 'ranker\.window'"),
        ("title: t\nbenchmarks: [mini]\nsystems: [{base: window, sweep: {ranker.window: []}}]", r"at least one value"),
        ("title: t\nbenchmarks: [mini]\nsystems: [{base: window, sweep: {ranker.window: [x]}}]", r"valid integer"),
        (MINIMAL + "figure: ranker.window", r"'ranker\.window' is not swept"),
        (
            "title: t\nbenchmarks: [mini]\nsystems: [window]\nsweep: {ranker.initial_order: [reverse]}\nfigure: ranker.initial_order",
            r"'reverse': a figure is drawn over numbers",
        ),
        (MINIMAL + "figure: {kind: pie}", r"key 'figure': .*'sweep', 'bars', 'latency', 'scores'"),
        (MINIMAL + "figure: {kind: bars, colum: mini}", r"key 'figure.colum': unknown key 'colum'\. Did you mean 'column'"),
        (MINIMAL + "figure: {kind: bars}", r"key 'figure.column': this key is needed"),
        (MINIMAL + "figure: {kind: bars, column: min}", r"'min' is no benchmark or average of this experiment\. Did you mean 'mini'"),
        (MINIMAL + "figure: {kind: scores, panels: query}", r"key 'figure.panels': should be 'benchmark' or 'system', got 'query'"),
        (MINIMAL + "figure: {kind: latency, pairs: []}", r"key 'figure.pairs': .*at least 1 item"),
        (MINIMAL + "figure: {kind: latency, pairs: [[BM25, BM26]]}", r"key 'figure.pairs': .*no system 'BM26'\. Did you mean 'BM25'"),
        (MINIMAL + "figure: [ranker.window]", r"key 'figure': "),
        (MINIMAL + "sweep: {depth: [10, ten]}", r"expected values like 100, got 'ten'"),
    ],
)
def test_what_is_wrong_is_refused_with_its_place(tmp_path: Path, text: str, expected: str) -> None:
    with pytest.raises(ConfigError, match=expected):
        _load(tmp_path, text)


def test_a_file_that_has_changed_is_read_anew(tmp_path: Path) -> None:
    path = tmp_path / "e.yaml"
    for title in ("first", "second", "first"):
        path.write_text(f"title: {title}\nbenchmarks: [mini]\nsystems: [BM25]\n", encoding="utf-8")
        assert load_experiment(str(path)).file.title == title


def test_a_file_that_does_not_exist_names_the_nearest_shipped_one() -> None:
    with pytest.raises(ConfigError, match=r"Did you mean 'table1'"):
        load_experiment("tabel1")


def test_a_sweep_expands_to_a_grid_with_the_last_key_turning_fastest(tmp_path: Path) -> None:
    text = "title: t\nbenchmarks: [mini]\nsystems: [BM25, {base: window, sweep: {ranker.passes: [1, 2], ranker.window: [20, 30]}}]"
    experiment = _load(tmp_path, text)
    assert [s.name for s in experiment.systems] == [
        "BM25",
        "window[passes=1,window=20]",
        "window[passes=1,window=30]",
        "window[passes=2,window=20]",
        "window[passes=2,window=30]",
    ]
    assert experiment.systems[4].ranker.as_data()["window"] == 30
    assert {s.family for s in experiment.systems} == {"BM25", "window"}


def test_an_experiment_wide_sweep_touches_only_systems_that_have_the_key(tmp_path: Path) -> None:
    experiment = _load(tmp_path, "title: t\nbenchmarks: [mini]\nsystems: [BM25, window]\nsweep: {ranker.step: [5, 10], depth: [20, 50]}")
    assert [s.name for s in experiment.systems] == ["BM25", "window[step=5]", "window[step=10]"]
    assert experiment.depths == (20, 50)


def test_an_override_is_laid_over_the_base_and_keeps_the_rest(tmp_path: Path) -> None:
    text = "title: t\nbenchmarks: [mini]\nsystems: [{base: window, name: wide, ranker: {window: 40}, engine: {mode: reverse}}]"
    (system,) = _load(tmp_path, text).systems
    assert (system.name, system.weights.status) == ("wide", "published")
    assert system.ranker.as_data()["window"] == 40
    assert system.ranker.as_data()["step"] == 10
    assert system.engine is not None
    assert system.engine.as_data()["mode"] == "reverse"


def test_set_overrides_a_key_before_anything_is_checked(tmp_path: Path) -> None:
    text = "title: t\nbenchmarks: [mini]\nengines: {e: {kind: scripted, mode: echo}}\nsystems: [{base: window, engine: e}]"
    experiment = _load(tmp_path, text, "engines.e.mode=reverse", "depth=7", "systems.0.name=other")
    (system,) = experiment.systems
    assert system.engine is not None
    assert (system.name, system.engine.as_data()["mode"], experiment.depths) == ("other", "reverse", (7,))


@pytest.mark.parametrize("assignment", ["depth", "=3", "title.x=1", "depth=[1"])
def test_a_set_that_cannot_be_applied_is_refused(tmp_path: Path, assignment: str) -> None:
    with pytest.raises(ConfigError, match="--set"):
        _load(tmp_path, MINIMAL, assignment)


def test_an_engine_is_laid_over_its_base_however_far_down_and_a_set_of_the_lowest_reaches_all(tmp_path: Path) -> None:
    text = (
        "title: t\nbenchmarks: [mini]\nengines: {any: {seed: 1, mode: echo}, two: {base: any, seed: 2}, e: {base: two, kind: scripted}}\n"
        "systems: [{name: a, base: window, engine: e}, {name: b, base: window, engine: {base: e, seed: 3}}]"
    )
    experiment = _load(tmp_path, text, "engines.any.mode=reverse")
    made = [system.engine.as_data() for system in experiment.systems if system.engine]
    assert [(e["kind"], e["seed"], e["mode"]) for e in made] == [("scripted", 2, "reverse"), ("scripted", 3, "reverse")]
    assert "base" not in made[0]


@pytest.mark.parametrize(
    ("engines", "expected"),
    [
        ("{e: {base: f, kind: scripted}}", "there is no engine 'f' to be a base"),
        ("{e: {base: f, kind: scripted}, f: {base: e}}", "the engine 'e' is its own base, by way of e and f"),
        ("{e: {kind: scripted}, f: {kind: scripted}}", "no system uses the engine 'f'"),
    ],
)
def test_a_base_that_is_not_there_or_goes_round_in_a_circle_is_refused(tmp_path: Path, engines: str, expected: str) -> None:
    with pytest.raises(ConfigError, match=expected):
        _load(tmp_path, f"title: t\nbenchmarks: [mini]\nengines: {engines}\nsystems: [{{base: window, engine: e}}]")


def test_only_keeps_what_is_named_and_refuses_what_is_not_there(tmp_path: Path) -> None:
    experiment = _load(tmp_path, "title: t\nbenchmarks: [mini, dl19]\nsystems: [BM25, {base: window, sweep: {ranker.step: [5, 10]}}]")
    kept = experiment.only(["window"], ["dl19"])
    assert ([s.name for s in kept.systems], kept.benchmarks) == (["window[step=5]", "window[step=10]"], ("dl19",))
    with pytest.raises(ConfigError, match=r"no system 'windo'\. Did you mean 'window'"):
        experiment.only(["windo"])


def test_every_shipped_system_and_configuration_loads() -> None:
    systems = load_systems()
    table1 = ["BM25", *(f"{ranker}-{size}" for size in ("0.6B", "4B", "8B") for ranker in ("RankQwen3", "E2Rank"))]
    assert set(table1) <= set(systems)
    assert {systems[f"E2Rank-{s}"].weights.status for s in ("0.6B", "4B", "8B")} == {"published"}
    assert {systems[f"RankQwen3-{s}"].weights.status for s in ("0.6B", "4B", "8B")} == {"train"}
    assert [s.name for s in load_experiment("table1").systems] == table1


def test_the_papers_values_are_the_defaults_of_its_systems() -> None:
    systems = load_systems()
    e2rank, rankqwen3 = systems["E2Rank-8B"].ranker.as_data(), systems["RankQwen3-8B"].ranker.as_data()
    assert (e2rank["documents_in_prompt"], e2rank["max_words"], e2rank["end_token"]) == (20, 1024, "<|endoftext|>")
    assert (e2rank["profile"], e2rank["mode"], e2rank["overflow"]) == ("authors-code", "listwise", "shorten")
    assert (rankqwen3["window"], rankqwen3["step"], rankqwen3["passes"], rankqwen3["max_words"]) == (20, 10, 1, 300)


def test_a_system_may_stay_out_of_the_experiments_sweep(tmp_path: Path) -> None:
    (tmp_path / "e.yaml").write_text(
        "title: t\nbenchmarks: [mini]\nsystems: [E2Rank-lexical, {base: E2Rank-lexical, name: fixed, swept: false}]\n"
        "sweep: {ranker.documents_in_prompt: [5, 20]}\n",
        encoding="utf-8",
    )
    systems = load_experiment(str(tmp_path / "e.yaml")).systems
    assert [(s.name, s.is_default) for s in systems] == [
        ("E2Rank-lexical[documents_in_prompt=5]", False),
        ("E2Rank-lexical[documents_in_prompt=20]", True),  # what its entry says
        ("fixed", True),
    ]


@pytest.mark.parametrize(
    ("more", "message"),
    [
        ("lists_from: {contriever: [mini]}", "'lists_from' names 'contriever', which is not among this file's first_stages"),
        ("lists_from: {bm25: [dl19]}", "'lists_from' of 'bm25' names dl19, not among this file's benchmarks"),
    ],
)
def test_lists_are_from_first_stages_and_for_benchmarks_of_the_file(tmp_path: Path, more: str, message: str) -> None:
    (tmp_path / "e.yaml").write_text(f"title: t\nbenchmarks: [mini]\nsystems: [BM25]\n{more}\n", encoding="utf-8")
    with pytest.raises(ConfigError, match=message):
        load_experiment(str(tmp_path / "e.yaml"))


def test_two_repeats_of_one_label_are_refused(tmp_path: Path) -> None:
    repeats = "repeats: [{label: a}, {label: a, ranker: {documents_in_prompt: 5}}]"
    (tmp_path / "e.yaml").write_text(f"title: t\nbenchmarks: [mini]\nsystems: [{{base: E2Rank-lexical, {repeats}}}]\n", encoding="utf-8")
    with pytest.raises(ConfigError, match="two repeats of 'E2Rank-lexical' are called 'a'"):
        load_experiment(str(tmp_path / "e.yaml"))
