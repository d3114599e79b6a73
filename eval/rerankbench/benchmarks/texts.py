"""What comes with a benchmark's documents: the corpus, reasoned queries, exclusions. From the mirror, else from the hub, once."""

from __future__ import annotations

from collections.abc import Callable
from functools import cached_property
from pathlib import Path

from rerankbench.benchmarks.catalog import BenchmarkEntry, HubData, QueryForm
from rerankbench.benchmarks.corpora import BeirCorpus
from rerankbench.benchmarks.files import Files
from rerankbench.benchmarks.hub_texts import HubTexts
from rerankbench.benchmarks.sources import QRELS, Found, one_line
from rerankbench.errors import MissingData, MissingError

CORPUS = ("corpus.jsonl", "corpus.jsonl.gz")


class Texts:
    """One benchmark's texts.

    Args:
        name: Of the benchmark.
        cache: Folder for what is fetched from the hub and converted.
    """

    def __init__(self, name: str, entry: BenchmarkEntry, files: Files, data: HubData, cache: Path) -> None:
        self._name = name
        self._entry = entry
        self._files = files
        self._revision = data.revisions.get(entry.text.hub, "main")
        self._cache = cache

    def corpus(self, *, fetch: bool) -> BeirCorpus:
        """The documents.

        Raises:
            MissingData: they are not at hand; the hint is what would get them, and under which licence.
            DataError: a file is damaged.
        """
        where = self._entry.text.folder
        if where:
            for place in (f"{where}/{name}" for name in CORPUS):
                found = self._files.local(place)
                if found:
                    self._files.check_pinned(place, found)
                    return BeirCorpus(found.path.parent, self._name, source=found.source)
        what = f"The documents of {self._name} are not at hand"
        found = self._converted(f"{where}/{CORPUS[0]}", lambda hub: hub.documents(fetch=fetch) / CORPUS[0], what, "documents")
        return BeirCorpus(found.path.parent, self._name, source=found.source)

    def reasoned_queries(self, form: QueryForm) -> tuple[str, Found]:
        """The queries in another form than their own, in BEIR's form: their place and file.

        Raises:
            MissingData: they are not at hand, or the benchmark has none.
        """
        if not self._entry.text.split:
            raise MissingData(f"{self._name} has no {form} queries: BRIGHT alone has.", hint="Take the original ones.")
        place = f"{self._entry.text.folder}/queries-{form}.jsonl"
        what = f"The {form} queries of {self._name} are not at hand"
        return place, self._mirrored(place, lambda hub: hub.queries(form), what, form)

    def exclusions(self, *, fetch: bool) -> tuple[str, Found]:
        """The excluded documents: their place and file.

        Raises:
            MissingData: they are not at hand.
        """
        place = f"{QRELS}/{self._entry.exclusions}"
        what = f"{self._name} excludes documents from some queries, and which is not known here"
        return place, self._mirrored(place, lambda hub: hub.exclusions(fetch=fetch), what, "examples")

    def _mirrored(self, place: str, get: Callable[[HubTexts], Path], what: str, configuration: str) -> Found:
        found = self._files.local(place) or self._converted(place, get, what, configuration)
        self._files.record(place, found)
        return found

    def _converted(self, place: str, get: Callable[[HubTexts], Path], what: str, configuration: str) -> Found:
        try:
            if self._hub is None:
                raise MissingData("no data set of the hub has them")
            path = get(self._hub)
        except MissingError as error:
            missing = f"{what}: no {place} in the local mirror; {one_line(error)}"
            raise MissingData(f"{missing.rstrip('.')}.", hint=self._hint(configuration)) from error
        return Found(path, self._hub.source(path))

    @cached_property
    def _hub(self) -> HubTexts | None:
        text = self._entry.text
        return HubTexts(text.hub, self._revision, text.split, self._cache) if text.hub else None

    def _hint(self, configuration: str) -> str:
        text, licence = self._entry.text, self._entry.licence
        own = f"a BEIR folder of your own goes to DATA/{text.folder}"
        if text.hub:
            part = f" --include '{configuration}/{text.split}-*'" if text.split else ""
            get = f"hf download {text.hub} --repo-type dataset --revision {self._revision}{part}"
            return f"{get} (licence: {licence}), then the same command; or {own}"
        if text.index:
            get = f"LuceneSearcher.from_prebuilt_index('{text.index}')"
            return (
                f"{licence[:1].upper()}{licence[1:]}: it comes with Anserini's prebuilt index, python -c \"from pyserini.search.lucene"
                f' import LuceneSearcher; {get}", or from its owner; {own}'
            )
        return own[:1].upper() + own[1:]
