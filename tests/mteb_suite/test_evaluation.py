"""The loop over tasks: what it writes mteb can read, what was stopped goes on, what fails is told, and nothing is embedded twice."""

from __future__ import annotations

import ast
import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from mteb_suite.scripted_models import constant
from rerankbench.config import MtebTable, load_config
from rerankbench.engines.lexical import LexicalEngine
from rerankbench.mteb_suite.evaluated import evaluated
from rerankbench.mteb_suite.evaluation import MtebLaboratory, Outcome
from rerankbench.mteb_suite.local import local_tasks
from rerankbench.mteb_suite.sharing import taken
from rerankbench.protocols import Floats

mteb: Any = pytest.importorskip("mteb")

ROOT = Path(__file__).parents[2]
HEAD = "layout: mteb\ntitle: T\nbenchmark: local\n"
ONE = "{name: words, engine: {kind: lexical}}"
QUICK = "LocalSTS", "LocalPairClassification"


class Silent:
    def __init__(self) -> None:
        self.finished: list[Outcome] = []

    def task_started(self, system: str, task: str) -> None: ...

    def task_finished(self, outcome: Outcome) -> None:
        self.finished.append(outcome)


class Telling(Silent):
    def __init__(self) -> None:
        super().__init__()
        self.one_is_done = threading.Event()

    def task_finished(self, outcome: Outcome) -> None:
        super().task_finished(outcome)
        self.one_is_done.set()


class Counting(LexicalEngine):
    """Counts the texts that it embeds, and can be told to stop."""

    Options = LexicalEngine.Options
    embedded = 0
    fails_at = 10**9

    def embed(self, texts: Sequence[str]) -> Floats:
        Counting.embedded += len(texts)
        if Counting.embedded > Counting.fails_at:
            raise RuntimeError("the device is gone\nand a long trace")
        return super().embed(texts)


@pytest.fixture(autouse=True)
def _anew() -> None:
    Counting.embedded, Counting.fails_at = 0, 10**9


def asked(tmp_path: Path, *systems: str, head: str = HEAD) -> MtebTable:
    path = tmp_path / "t.yaml"
    path.write_text(f"{head}systems:\n" + "".join(f"  - {system}\n" for system in systems), encoding="utf-8")
    found = load_config(str(path))
    assert isinstance(found, MtebTable)
    return found


def run(table: MtebTable, folder: Path, tasks: Sequence[str] = QUICK, cache: Path | None = None) -> list[Outcome]:
    chosen = [task for task in local_tasks(None) if task.metadata.name in tasks]
    return MtebLaboratory(folder, cache).run(table, chosen, Silent())


def ledger(folder: Path, index: int = 0) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(sorted(folder.glob("ledgers/*/*.json"))[index].read_bytes())
    return found


def test_what_is_written_is_read_by_mteb_itself(tmp_path: Path) -> None:
    outcomes = run(asked(tmp_path, ONE), tmp_path / "out")
    (model,) = mteb.ResultCache(tmp_path / "out").load_results(validate_and_filter=False).model_results
    assert model.model_name == "rerankbench/words"
    assert {r.task_name: r.get_score() for r in model.task_results} == pytest.approx({o.task: o.score for o in outcomes}, abs=1e-6)
    # Nothing but these is left behind: no half-written file, no staging folder.
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == [".locks", "ledgers", "results"]


def test_the_second_time_everything_is_there_and_no_engine_is_loaded(tmp_path: Path) -> None:
    table = asked(tmp_path, f"{{name: c, engine: {{kind: '{__name__}:Counting'}}}}")
    first = run(table, tmp_path / "out")
    assert [o.status for o in first] == ["done", "done"]
    before = Counting.embedded
    again = run(table, tmp_path / "out")
    assert [o.status for o in again] == ["reused", "reused"]
    assert [o.score for o in again] == pytest.approx([o.score for o in first], abs=1e-6)
    assert Counting.embedded == before


def test_another_folder_of_results_with_the_same_answers_embeds_nothing(tmp_path: Path) -> None:
    table = asked(tmp_path, f"{{name: c, engine: {{kind: '{__name__}:Counting'}}}}")
    first = run(table, tmp_path / "one", cache=tmp_path / "answers")
    before = Counting.embedded
    again = run(table, tmp_path / "two", cache=tmp_path / "answers")
    assert Counting.embedded == before
    assert [o.score for o in again] == [o.score for o in first]
    counts = ledger(tmp_path / "two")["tasks"]["LocalSTS"]["answers"]["embed"]
    assert (counts["computed"], counts["disk"] + counts["memory"]) == (0, counts["asked"])


def test_a_second_prompt_embeds_its_queries_alone(tmp_path: Path) -> None:
    kind = f"engine: {{kind: '{__name__}:Counting'}}"
    head = f'{HEAD}task_instructions: {{LocalMiniRetrieval: "Find it"}}\n'
    table = asked(tmp_path, f"{{name: a, {kind}}}", f"{{name: b, {kind}, prompt: e2rank-mteb}}", head=head)
    run(table, tmp_path / "out", ["LocalMiniRetrieval"])
    (task,) = (t for t in local_tasks(None) if t.metadata.name == "LocalMiniRetrieval")
    task.load_data()
    data = task.dataset["default"]["test"]
    texts = {f"{d['title']} {d['text']}".strip() for d in data["corpus"]} | set(data["queries"]["text"])
    assert Counting.embedded == len(texts) + len(set(data["queries"]["text"]))


def test_another_prompt_is_another_revision_and_never_finds_the_firsts_scores(tmp_path: Path) -> None:
    run(asked(tmp_path, ONE), tmp_path / "out")
    head = f'{HEAD}task_instructions: {{LocalSTS: "Compare", LocalPairClassification: "Compare"}}\n'
    outcomes = run(asked(tmp_path, "{name: words, engine: {kind: lexical}, prompt: e2rank-mteb}", head=head), tmp_path / "out")
    assert [o.status for o in outcomes] == ["done", "done"]
    assert len(list(tmp_path.glob("out/results/rerankbench__words/*"))) == 2


def test_a_task_that_fails_is_told_the_others_go_on_and_it_is_tried_again(tmp_path: Path) -> None:
    table = asked(tmp_path, f"{{name: c, engine: {{kind: '{__name__}:Counting'}}}}")
    Counting.fails_at = 0
    broken, *_ = run(table, tmp_path / "out", QUICK)
    assert (broken.status, broken.score, broken.reason) == ("failed", None, "RuntimeError: the device is gone")
    noted = ledger(tmp_path / "out")["tasks"][broken.task]
    assert (noted["status"], noted["reason"]) == ("failed", broken.reason)
    Counting.fails_at = 10**9
    assert [o.status for o in run(table, tmp_path / "out", QUICK)] == ["done", "done"]


def test_a_task_without_instruction_fails_alone(tmp_path: Path) -> None:
    head = f'{HEAD}task_instructions: {{LocalSTS: "Compare"}}\n'
    outcomes = run(asked(tmp_path, "{name: w, engine: {kind: lexical}, prompt: e2rank-mteb}", head=head), tmp_path / "out")
    told = {o.task: (o.status, o.reason) for o in outcomes}
    assert told["LocalSTS"][0] == "done"
    assert told["LocalPairClassification"] == (
        "failed",
        "The prompt 'e2rank-mteb' has no instruction for the task LocalPairClassification (default).",
    )


def test_data_that_is_not_at_hand_is_missing_and_says_why(tmp_path: Path) -> None:
    (outcome,) = run(asked(tmp_path, ONE), tmp_path / "out", ["LocalSciFactRetrieval"])
    assert outcome.status == "missing"
    assert outcome.reason


def test_a_reranker_ranks_the_best_documents_of_another_system(tmp_path: Path) -> None:
    over = "{name: r, engine: {kind: lexical}, reranks: true, over: words, depth: 10, ranker: {kind: identity}}"
    table = asked(tmp_path, ONE, over)
    first, kept = run(table, tmp_path / "out", ["LocalMiniRetrieval"])
    # nDCG@10 looks at ten documents: whoever keeps the order of the best ten scores what they scored.
    assert kept.score == pytest.approx(first.score, abs=1e-5)
    assert len(list(tmp_path.glob("out/predictions/*/*/LocalMiniRetrieval_predictions.json"))) == 1


def test_a_reranker_does_not_meet_the_candidates_of_a_reranking_task_in_the_order_of_the_data(tmp_path: Path) -> None:
    (outcome,) = run(asked(tmp_path, "{name: r, reranks: true, ranker: {kind: identity}}"), tmp_path / "out", ["LocalReranking"])
    # BM25's order gives .52 (a test of the task); fifty candidates in an order that tells nothing are far below.
    assert outcome.score is not None
    assert outcome.score < 0.4


def test_a_reranker_over_another_system_meets_the_candidates_of_a_reranking_task_like_any_other(tmp_path: Path) -> None:
    alone, over = ("{name: a, reranks: true, ranker: {kind: identity}}", "{name: o, reranks: true, over: words, ranker: {kind: identity}}")
    outcomes = run(asked(tmp_path, ONE, alone, over), tmp_path / "out", ["LocalReranking"])
    scores = {outcome.system: outcome.score for outcome in outcomes}
    # One and the same lists and the ranker that keeps their order: in the order of the data they would score .52.
    assert scores["o"] == scores["a"]


def test_a_reranker_has_nothing_to_do_where_no_documents_are_ranked(tmp_path: Path) -> None:
    (outcome,) = run(asked(tmp_path, "{name: r, reranks: true, ranker: {kind: identity}}"), tmp_path / "out", ["LocalSTS"])
    assert (outcome.status, outcome.reason) == ("missing", "r ranks candidate lists, and LocalSTS (STS) has none.")


def test_who_is_evaluated_second_gets_the_draws_of_the_first(tmp_path: Path) -> None:
    # Clustering draws its samples; equal systems of different revisions must score alike.
    table = asked(tmp_path, ONE, "{name: again, engine: {kind: lexical}, end_token: ' '}")
    first, second = run(table, tmp_path / "out", ["LocalClustering"])
    assert first.score == second.score


def test_results_of_other_data_are_made_again(tmp_path: Path) -> None:
    table = asked(tmp_path, ONE)
    run(table, tmp_path / "out", ["LocalSTS"])
    (file,) = tmp_path.glob("out/results/*/*/LocalSTS.json")
    data = json.loads(file.read_bytes())
    data["dataset_revision"] = "0" * 40
    data["scores"]["test"][0]["main_score"] = 0.123
    file.write_text(json.dumps(data), encoding="utf-8")
    (outcome,) = run(table, tmp_path / "out", ["LocalSTS"])
    assert outcome.status == "done"
    assert outcome.score != 0.123


def test_a_damaged_result_is_an_error_that_says_what_to_do(tmp_path: Path) -> None:
    table = asked(tmp_path, ONE)
    run(table, tmp_path / "out", ["LocalSTS"])
    (file,) = tmp_path.glob("out/results/*/*/LocalSTS.json")
    file.write_bytes(file.read_bytes()[:100])
    (outcome,) = run(table, tmp_path / "out", ["LocalSTS"])
    assert (outcome.status, outcome.hint) == ("failed", "Delete it: the task is then evaluated again.")


def test_what_another_process_is_at_is_left_to_it_and_awaited_in_the_end(tmp_path: Path) -> None:
    table = asked(tmp_path, ONE)
    one = evaluated(table.systems[0], {})
    seen = Telling()
    chosen = [task for task in local_tasks(None) if task.metadata.name in QUICK]
    # mteb's order: LocalPairClassification, LocalSTS.
    with ThreadPoolExecutor() as threads:
        with taken(tmp_path / "out", one.model, one.revision, "LocalPairClassification"):
            ended = threads.submit(lambda: MtebLaboratory(tmp_path / "out").run(table, chosen, seen))
            assert seen.one_is_done.wait(60)
            assert [outcome.task for outcome in seen.finished] == ["LocalSTS"]
        assert [(o.task, o.status) for o in ended.result(60)] == [("LocalPairClassification", "done"), ("LocalSTS", "done")]


def test_processes_share_the_tasks_and_each_ends_with_all_of_them(tmp_path: Path) -> None:
    tasks = ["LocalPairClassification", "LocalSTS", "LocalSummarization", "LocalReranking"]
    code = (
        "import sys; from pathlib import Path; from mteb_suite.test_evaluation import asked, run, ONE;"
        f"print([(o.task, o.status, o.score) for o in run(asked(Path(sys.argv[1]), ONE), Path({str(tmp_path / 'out')!r}), {tasks!r})])"
    )
    environment = {**os.environ, "PYTHONPATH": f"{ROOT / 'eval'}:{ROOT / 'tests'}"}
    folders = [tmp_path / str(n) for n in range(2)]
    for folder in folders:
        folder.mkdir()
    command = [sys.executable, "-c", code]
    started = [subprocess.Popen([*command, str(folder)], env=environment, stdout=subprocess.PIPE, text=True) for folder in folders]
    told = [ast.literal_eval(process.communicate(timeout=300)[0].splitlines()[-1]) for process in started]
    assert sorted(task for one in told for task, status, _ in one if status == "done") == sorted(tasks)  # each evaluated once
    scores = [{task: round(score, 6) for task, _, score in one} for one in told]
    assert scores[0] == scores[1]
    assert ledger(tmp_path / "out")["tasks"].keys() == set(tasks)
    settings = next(tmp_path.glob("out/results/*/*/run_settings.jsonl")).read_text(encoding="utf-8")
    assert all(task in settings for task in tasks)


def test_after_a_kill_the_same_command_goes_on_and_ends_as_if_it_had_not_been_stopped(tmp_path: Path) -> None:
    table = asked(tmp_path, ONE)
    tasks = ["LocalPairClassification", "LocalSTS", "LocalSummarization"]
    code = (
        "import sys; from pathlib import Path; from mteb_suite.test_evaluation import asked, run, ONE;"
        f"run(asked(Path({str(tmp_path)!r}), ONE), Path({str(tmp_path / 'killed')!r}), {tasks!r})"
    )
    environment = {**os.environ, "PYTHONPATH": f"{ROOT / 'eval'}:{ROOT / 'tests'}"}
    process = subprocess.Popen([sys.executable, "-c", code], env=environment, stderr=subprocess.DEVNULL)
    deadline = time.monotonic() + 120
    while not list(tmp_path.glob("killed/results/*/*/LocalPairClassification.json")) and time.monotonic() < deadline:
        assert process.poll() is None or list(tmp_path.glob("killed/results/*/*/*.json")), "it ended before it could be killed"
        time.sleep(0.005)
    process.send_signal(signal.SIGKILL)
    process.wait()
    killed, whole = run(table, tmp_path / "killed", tasks), run(table, tmp_path / "whole", tasks)
    assert killed[0].status == "reused"
    assert [o.score for o in killed] == pytest.approx([o.score for o in whole], abs=1e-6)


def test_models_of_others_and_ours_can_lie_in_one_folder(tmp_path: Path) -> None:
    run(asked(tmp_path, ONE), tmp_path / "out", ["LocalSTS"])
    (task,) = (t for t in local_tasks(None) if t.metadata.name == "LocalSTS")
    mteb.evaluate(constant(), task, cache=mteb.ResultCache(tmp_path / "out"), co2_tracker=False, show_progress_bar=False)
    assert [o.status for o in run(asked(tmp_path, ONE), tmp_path / "out", ["LocalSTS"])] == ["reused"]


def test_a_task_goes_on_behind_the_last_subset_that_was_written(tmp_path: Path) -> None:
    from mteb.mocks.mock_tasks import MockMultilingualSTSTask

    table = asked(tmp_path, ONE)
    MtebLaboratory(tmp_path / "out").run(table, [MockMultilingualSTSTask()], Silent())
    (file,) = tmp_path.glob("out/results/*/*/MockMultilingualSTSTask.json")
    data = json.loads(file.read_bytes())
    first, second = data["scores"]["test"]
    # As after a stop behind the first subset; its score is made one that no evaluation gives, to be known again.
    data["scores"]["test"] = [{**first, "main_score": 0.25}]
    file.write_text(json.dumps(data), encoding="utf-8")
    (outcome,) = MtebLaboratory(tmp_path / "out").run(table, [MockMultilingualSTSTask()], Silent())
    assert outcome.status == "done"
    assert outcome.score == pytest.approx((0.25 + second["main_score"]) / 2)
