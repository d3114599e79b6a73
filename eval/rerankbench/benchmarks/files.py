"""The files of one benchmark: found in the sources in order, hashed once, compared with pinned hashes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from rerankbench.benchmarks.catalog import HubData
from rerankbench.benchmarks.sources import LISTS, QRELS, DataFile, Folder, Found, Source, check_pin, sha256_of
from rerankbench.errors import MissingData

TOPICS_AND_QRELS = "https://raw.githubusercontent.com/castorini/anserini-tools/master/topics-and-qrels"
"""Where Anserini and Pyserini fetch queries and judgements from, under the names that the mirror has."""


class Files:
    """Finds files by their place in the mirror's layout.

    Args:
        sources: Asked in this order.
        licence: Of what is asked for, for the message that it is missing.
    """

    def __init__(self, sources: Sequence[Source], data: HubData, licence: str) -> None:
        self.sources = sources
        self._data = data
        self._licence = licence
        self._known: dict[str, DataFile] = {}

    def __getitem__(self, place: str) -> DataFile:
        """A file that was found before."""
        return self._known[place]

    @property
    def folders(self) -> list[Folder]:
        """The sources on this machine, in order."""
        return [source for source in self.sources if isinstance(source, Folder)]

    def local(self, place: str) -> Found | None:
        """The file, where a folder on this machine has it."""
        return next((found for folder in self.folders if (found := folder.find(place))), None)

    def require(self, place: str, *, what: str) -> Found:
        """The file of the first source that has it.

        Args:
            what: As the message calls it where no source has it.

        Raises:
            MissingData: no source has it.
            DataMismatch: it is not the pinned one.
        """
        for source in self.sources:
            found = source.find(place)
            if found:
                self.record(place, found)
                return found
        looked = "; ".join(filter(None, (source.looked(place) for source in self.sources)))
        raise MissingData(f"No {what} ({place.removeprefix(f'{LISTS}/')}): {looked}.", hint=self._hint(place))

    def record(self, place: str, found: Found) -> None:
        """Hash a file that was found. Raises: DataMismatch: a pin says otherwise."""
        sha256 = sha256_of(found.path)
        for pins, pinned_by in self._pins(found):
            check_pin(place, sha256, pins, pinned_by)
        self._known[place] = DataFile(place, found.source, sha256)

    def check_pinned(self, place: str, found: Found) -> None:
        """Hash a file only where it is pinned: for files so large that it takes a while. Raises: DataMismatch: a pin says otherwise."""
        if any(place in pins for pins, _ in self._pins(found)):
            self.record(place, found)

    def _pins(self, found: Found) -> list[tuple[Mapping[str, str], str]]:
        own = [(folder.pins, f"the {folder.name}'s SHA256SUMS") for folder in self.folders if folder.name == found.source]
        return [(self._data.sha256, "the catalog"), *own]

    def _hint(self, place: str) -> str:
        file = place.removeprefix(f"{LISTS}/")
        folder = f"DATA/{LISTS}" if file != place else "DATA"
        hint = f"hf download {self._data.hub} {file} --repo-type dataset --local-dir {folder} (licence: {self._licence})"
        if place.startswith(QRELS):
            hint += f", or curl --create-dirs -o DATA/{place} {TOPICS_AND_QRELS}/{place.removeprefix(f'{QRELS}/')}"
        return f"{hint}, then --data DATA"
