"""A run's name is a hash of all that decides its result; what cannot be run is planned with its reason."""

from __future__ import annotations

import shutil
from importlib.util import find_spec
from pathlib import Path

import pytest

from laboratory import TinyBenchmarks, experiment, plan, write_lists, write_mirror
from rerankbench.config import load_experiment
from rerankbench.errors import ConfigError, DataError, MissingData, MissingWeights
from rerankbench.plan import Planned, Planner, counted, folder_name
from rerankbench.prompts import load as load_prompt

EMBEDDING = "[{name: e, ranker: {kind: embedding, end_token: ''}, engine: {kind: scripted, mode: echo}}]"


@pytest.fixture
def mirror(tmp_path: Path) -> Path:
    return write_mirror(tmp_path / "mirror")


def _id(planned: Planned) -> str:
    assert planned.folder is not None, planned.problem
    return planned.folder.name.rpartition("-")[2]


def _only(tmp_path: Path, mirror: Path, systems: str = EMBEDDING, more: str = "", limit: int | None = None) -> Planned:
    (planned,) = plan(experiment(tmp_path, systems, more), mirror, tmp_path / "runs", limit)
    return planned


def test_the_same_question_has_the_same_folder(tmp_path: Path, mirror: Path) -> None:
    assert _only(tmp_path, mirror).folder == _only(tmp_path, mirror).folder
    copy = shutil.copytree(mirror, tmp_path / "elsewhere")
    assert _only(tmp_path, copy).folder == _only(tmp_path, mirror).folder


@pytest.mark.parametrize(
    ("systems", "more", "limit"),
    [
        (EMBEDDING, "", 3),
        (EMBEDDING, "depth: 4", None),
        (EMBEDDING.replace("end_token: ''", "end_token: '', max_words: 9"), "", None),
        (EMBEDDING.replace("end_token: ''", "end_token: '', profile: readme"), "", None),
        (EMBEDDING.replace("mode: echo", "seed: 1"), "", None),
        (EMBEDDING.replace("{kind: scripted, mode: echo}", "lexical"), "", None),
        ("[BM25]", "", None),
    ],
)
def test_another_question_has_another_id(tmp_path: Path, mirror: Path, systems: str, more: str, limit: int | None) -> None:
    assert _id(_only(tmp_path, mirror, systems, more, limit)) != _id(_only(tmp_path, mirror))


def test_other_judgements_lists_or_first_stages_give_another_id(tmp_path: Path, mirror: Path) -> None:
    before = _id(_only(tmp_path, mirror))
    qrels = mirror / "topics_and_qrels" / "qrels.mini.txt"
    original = qrels.read_bytes()
    qrels.write_bytes(original + b"q3 0 d4 0\n")
    assert _id(_only(tmp_path, mirror)) != before
    qrels.write_bytes(original)
    assert _id(_only(tmp_path, mirror)) == before
    write_lists(mirror, first_stage="contriever")
    assert _id(_only(tmp_path, mirror, more="depth: 5\nfirst_stages: [contriever]")) != before  # the same bytes
    write_lists(mirror, ("q1", "q2", "q3"))
    assert _id(_only(tmp_path, mirror)) != before


def test_another_wording_in_the_same_prompt_file_gives_another_id(tmp_path: Path, mirror: Path) -> None:
    import rerankbench.prompts

    file = tmp_path / "own.yaml"
    shipped = Path(rerankbench.prompts.__file__).parent / "e2rank-listwise.yaml"
    text = shipped.read_text(encoding="utf-8").replace("name: e2rank-listwise", "name: own")
    file.write_text(text, encoding="utf-8")
    systems = EMBEDDING.replace("end_token: ''", f"end_token: '', profile: {file}")
    before = _id(_only(tmp_path, mirror, systems))
    file.write_text(text.replace("Search Query", "Query"), encoding="utf-8")
    assert load_prompt(str(file)).hash != load_prompt("e2rank-listwise").hash
    assert _id(_only(tmp_path, mirror, systems)) != before


def test_names_batches_measures_and_rules_do_not_change_the_id(tmp_path: Path, mirror: Path) -> None:
    more = "depth: 5\nbatch_queries: 1\nmeasures: [AP, nDCG@3]\nmissing: zero"
    renamed = EMBEDDING.replace("name: e,", "name: '名[x=1,y=2]',")
    assert _id(_only(tmp_path, mirror, renamed, more)) == _id(_only(tmp_path, mirror))


def test_the_same_weights_in_another_folder_are_the_same_run(tmp_path: Path, mirror: Path) -> None:
    if find_spec("sentence_transformers") is None:
        pytest.skip("sentence-transformers is not installed")
    first, second, other = tmp_path / "first", tmp_path / "second", tmp_path / "other"
    for folder in (first, second, other):
        folder.mkdir()
        (folder / "config.json").write_text("{}", encoding="utf-8")
        (folder / "model.safetensors").write_bytes(b"other" if folder is other else b"same")
    ids = [
        _id(_only(tmp_path, mirror, f"[{{name: e, ranker: {{kind: embedding}}, engine: {{kind: sentence_transformers, model: {m}}}}}]"))
        for m in (first, second, other)
    ]
    assert ids[0] == ids[1]
    assert ids[0] != ids[2]


def test_systems_that_ask_the_same_share_one_run(tmp_path: Path, mirror: Path) -> None:
    two = "[{name: one, ranker: {kind: identity}}, {name: two, ranker: {kind: identity}}]"
    first, second = plan(experiment(tmp_path, two), mirror, tmp_path / "runs")
    assert first.folder == second.folder
    assert first.folder is not None
    assert first.folder.name.startswith("one-")


def test_a_renamed_system_finds_the_run_that_it_has(tmp_path: Path, mirror: Path) -> None:
    before = _only(tmp_path, mirror).folder
    assert before is not None
    before.mkdir(parents=True)
    assert _only(tmp_path, mirror, EMBEDDING.replace("name: e,", "name: new,")).folder == before


def test_sweep_values_of_any_kind_and_length_make_one_folder_name(tmp_path: Path, mirror: Path) -> None:
    log = f"{tmp_path}/a b/{'é' * 400}"
    systems = f"[{{name: 'e[', ranker: {{kind: embedding}}, engine: {{kind: scripted}}, sweep: {{engine.log: ['{log}']}}}}]"
    folder = _only(tmp_path, mirror, systems).folder
    assert folder is not None
    assert folder.parent == tmp_path / "runs" / "mini" / "bm25"
    assert len(folder.name.encode()) <= 255
    assert " " not in folder.name


def test_a_folder_name_keeps_what_is_harmless() -> None:
    assert folder_name("listwise[overflow=shorten,n=5]-名") == "listwise[overflow=shorten,n=5]-名"
    assert folder_name("a/b \\c\n\x00d") == "a_b_c_d"
    assert folder_name("é" * 200) == "é" * 100  # two bytes each, 200 at most


def test_counts_of_queries_read_as_a_person_says_them() -> None:
    assert [counted(n) for n in (0, 1, 2)] == ["0 queries", "1 query", "2 queries"]


def test_cells_come_by_system_then_depth_first_stage_and_benchmark(tmp_path: Path, mirror: Path) -> None:
    write_lists(mirror, first_stage="contriever")
    more = "depth: 5\nsweep: {depth: [5, 3], first_stages: [bm25, contriever]}"
    cells = [p.cell for p in plan(experiment(tmp_path, "[BM25, oracle]", more), mirror, tmp_path / "runs")]
    assert [(c.system.name, c.depth, c.first_stage) for c in cells] == [
        (system, depth, stage) for system in ("BM25", "oracle") for depth in (5, 3) for stage in ("bm25", "contriever")
    ]


def test_a_plan_counts_what_will_be_done(tmp_path: Path, mirror: Path) -> None:
    planned = _only(tmp_path, mirror, more="depth: 4")
    assert (planned.state, planned.queries, planned.documents, planned.done) == ("new", 4, 16, 0)
    assert (planned.workload.prompts, planned.workload.texts) == (4, 2 + 4 * 2)  # two texts are shared by all lists
    assert not (tmp_path / "runs").exists()


def test_lists_shorter_than_the_depth_are_ranked_as_they_are(tmp_path: Path, mirror: Path) -> None:
    assert _only(tmp_path, mirror, more="depth: 50").documents == 20


def test_lists_that_are_too_shallow_say_how_deep_they_are(tmp_path: Path, mirror: Path) -> None:
    planned = _only(tmp_path, mirror, more="depth: 51")
    assert planned.state == "missing"
    assert isinstance(planned.problem, MissingData)
    assert planned.problem.message == "No mini_top100.jsonl: the lists of mini at hand are 50 deep."
    assert planned.problem.hint == "Set depth: 50"


def test_a_first_stage_that_a_benchmark_has_not_is_missing(tmp_path: Path, mirror: Path) -> None:
    planned = _only(tmp_path, mirror, more="depth: 5\nfirst_stages: [splade-pp-ed]")
    assert planned.state == "missing"
    assert planned.problem is not None
    assert planned.problem.message == "No SPLADE++ ED lists of mini (splade++ed/mini_top100.jsonl): not in the local mirror."


def test_bare_lists_are_enough_for_an_order_and_not_for_a_reader(tmp_path: Path, mirror: Path) -> None:
    lists = mirror / "retrieval_results" / "bm25"
    (lists / "mini_top50.jsonl").unlink()
    (lists / "mini_top50.trec").write_text("q1 Q0 d1 1 2.0 r\nq1 Q0 d2 2 1.0 r\n", encoding="utf-8")
    order, reader = plan(experiment(tmp_path, f"[BM25, {EMBEDDING[1:-1]}]"), mirror, tmp_path / "runs")
    assert (order.state, order.documents) == ("new", 2)
    assert reader.state == "missing"
    assert reader.problem is not None
    assert "Only the order" in reader.problem.message


@pytest.mark.parametrize(
    ("file", "content", "expected"),
    [
        ("retrieval_results/bm25/mini_top50.jsonl", b'{"query": "q"\n', "mini_top50.jsonl (local mirror):1: not a JSON object"),
        ("topics_and_qrels/qrels.mini.txt", b"q1 0 d1 x\n", "qrels.mini.txt (local mirror):1: the grade 'x' is no integer"),
        ("topics_and_qrels/qrels.mini.txt", b"", "qrels.mini.txt (local mirror): the file is empty"),
    ],
)
def test_damaged_data_fails_its_cell_and_names_file_and_line_without_the_machine(
    tmp_path: Path, mirror: Path, file: str, content: bytes, expected: str
) -> None:
    (mirror / file).write_bytes(content)
    planned = _only(tmp_path, mirror)
    assert planned.state == "failed"
    assert isinstance(planned.problem, DataError)
    assert expected in planned.problem.message
    assert str(tmp_path) not in planned.problem.message


def test_bom_and_carriage_returns_in_data_files_change_nothing(tmp_path: Path, mirror: Path) -> None:
    for name in ("qrels.mini.txt", "topics.mini.tsv"):
        file = mirror / "topics_and_qrels" / name
        file.write_bytes(b"\xef\xbb\xbf" + file.read_bytes().replace(b"\n", b"\r\n"))
    benchmark = TinyBenchmarks(mirror).open("mini")
    assert [q.id for q in benchmark.queries()] == ["q1", "q2", "q3", "q4"]
    assert benchmark.queries()[0].text == "what is q1"
    assert list(benchmark.qrels()) == ["q1", "q2", "q3"]


def test_a_query_that_stands_twice_with_different_texts_is_refused(tmp_path: Path, mirror: Path) -> None:
    topics = mirror / "topics_and_qrels" / "topics.mini.tsv"
    topics.write_text("q1\tone\nq1\tone\n", encoding="utf-8")
    assert len(TinyBenchmarks(mirror).open("mini").queries()) == 1
    topics.write_text("q1\tone\nq1\tother\n", encoding="utf-8")
    with pytest.raises(DataError, match=r"topics\.mini\.tsv \(local mirror\):2: query 'q1' stands here a second time"):
        TinyBenchmarks(mirror).open("mini").queries()


def _weights(tmp_path: Path, mirror: Path, *assignments: str) -> MissingWeights:
    text = (
        "title: t\nbenchmarks: [mini]\ndepth: 5\nengines: {x-0.6b: {kind: transformers, model: Alibaba-NLP/E2Rank-0.6B, max_tokens: 99}}\n"
    )
    (tmp_path / "w.yaml").write_text(f"{text}systems: [{{base: E2Rank-0.6B, engine: x-0.6b}}]\n", encoding="utf-8")
    asked = load_experiment(str(tmp_path / "w.yaml"), assignments)
    (planned,) = Planner(TinyBenchmarks(mirror), tmp_path / "runs").plan(asked)
    assert planned.state == "missing"
    assert isinstance(planned.problem, MissingWeights)
    return planned.problem


def test_missing_weights_are_explained_by_the_systems_file(tmp_path: Path, mirror: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path / "hub"))
    problem = _weights(tmp_path, mirror)
    assert problem.message == "The weights of E2Rank-0.6B are published, but not at hand."
    assert problem.hint == "hf download Alibaba-NLP/E2Rank-0.6B"


def test_a_model_that_the_user_named_is_reported_as_named(tmp_path: Path, mirror: Path) -> None:
    problem = _weights(tmp_path, mirror, f"engines.x-0.6b.model={tmp_path}/none")
    assert f"'{tmp_path}/none' is neither a folder" in problem.message


@pytest.mark.parametrize(
    ("systems", "more", "expected"),
    [
        ("[BM25]", "depth: 5\nfirst_stages: [bm52]", r"tiny\.yaml:4: key 'first_stages.0': There is no first stage 'bm52'. Did you mean"),
        ("[BM25]", "depth: 5\nmeasures: [AP, nDCG@]", r"key 'measures\.1'"),
        (
            "[{name: a, ranker: {kind: embedding}, engine: {kind: 'laboratory:Watched'}}, {name: b, ranker: {kind: listwise}}]",
            "",
            r"System 'b': a ranker 'listwise' needs an 'engine' that is a TextGenerator",
        ),
        (
            "[{name: b, ranker: {kind: listwise}, engine: {kind: sentence_transformers, model: m}}]",
            "",
            r"'sentence_transformers' is none\. Engines that are: lexical",
        ),
    ],
)
def test_what_can_never_work_is_the_configurations_error(tmp_path: Path, mirror: Path, systems: str, more: str, expected: str) -> None:
    with pytest.raises(ConfigError, match=expected):
        plan(experiment(tmp_path, systems, more), mirror, tmp_path / "runs")
