"""Headers of models wherever they are: on the Hub by ranges, what is on this machine as it is."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory

from pytest_slm.core.types import Quantization, Submission, WeightsHeader
from pytest_slm.errors import UsageError
from pytest_slm.models import gguf, hub, safetensors
from pytest_slm.models.choose import locate, place_on_hub
from pytest_slm.models.detect import detect, told
from pytest_slm.models.remote.ranges import FIRST, RangeFile
from pytest_slm.models.remote.vocabulary import bytes_of_texts

SMALL = ("config.json", "tokenizer_config.json", "chat_template.jinja", "modules.json", safetensors.INDEX)
"""What says something of a model beside its weights."""


@dataclass(frozen=True, kw_only=True)
class FetchCosts:
    """What reading a header took: bytes that came in so many ranges, of files of so many bytes."""

    bytes: int
    ranges: int
    files_bytes: int


class HeaderReader:
    """Reads the headers of a submission's quantizations; ``fetched`` says for those on the Hub what that took.

    Nothing says how long the vocabulary of a GGUF is, and it is passed over unread: its end is looked for in the first
    file of a model, and the others have the same. What follows has to fit to the last byte, or it is walked through.
    """

    def __init__(self, *, offline: bool = False) -> None:
        self.offline = offline
        self.fetched: dict[str, FetchCosts] = {}
        self._listings: dict[tuple[str, str | None], hub.Listing] = {}
        self._spans: gguf.Spans = {}

    @property
    def total(self) -> FetchCosts | None:
        """The sums over all that was read; None where nothing is on the Hub."""
        if not self.fetched:
            return None
        every = self.fetched.values()
        return FetchCosts(
            bytes=sum(one.bytes for one in every),
            ranges=sum(one.ranges for one in every),
            files_bytes=sum(one.files_bytes for one in every),
        )

    def read(self, submission: Submission, quantization: Quantization) -> WeightsHeader:
        """What the headers of one quantization say. Raises UsageError: what listings, ``detect`` and ``locate`` do."""
        place = None if self.offline else place_on_hub(submission, quantization)
        if place is None or hub.hub_client().constants.HF_HUB_OFFLINE:
            return detect(locate(submission, quantization, offline=self.offline))
        if place not in self._listings:
            self._listings[place] = hub.listing(*place)
        found = self._listings[place]
        files = hub.needed(found, quantization)
        sources: list[RangeFile] = []
        cached = hub.cached(found, files)
        if cached is not None:
            path = cached[0].parent if quantization.format == "safetensors" else cached[0]
            header = detect(path)
        elif quantization.format == "safetensors":
            header, sources = self._folder(found)
        else:
            header, sources = self._gguf(found, files)
        self.fetched[quantization.name] = FetchCosts(
            bytes=sum(source.fetched for source in sources),
            ranges=sum(source.ranges for source in sources),
            files_bytes=header.file_size or 0,
        )
        return replace(header, revision=found.revision, gated=found.gated)

    def _gguf(self, found: hub.Listing, files: list[str]) -> tuple[WeightsHeader, list[RangeFile]]:
        sources = [RangeFile(found, file) for file in files]
        return told([self._header(source) for source in sources]), sources

    def _header(self, source: RangeFile) -> gguf.Header:
        header = self._by_guess(source)
        if header is None:
            source.seek(0)
            header = gguf.header_of(source, source.size, source.path, chunk=FIRST)
        self._spans |= header.spans
        return header

    def _by_guess(self, source: RangeFile) -> gguf.Header | None:
        """The header with a vocabulary as in the file before, or where it seems to end; None if the rest does not fit
        that."""

        def guess(key: str, start: int, count: int) -> int | None:
            there, known = self._spans.get(key, (0, 0))
            return known if there == count else bytes_of_texts(source.piece, start, count)

        try:
            header = gguf.header_of(source, source.size, source.path, chunk=FIRST, guess=guess)
        except UsageError as error:
            if not error.slug.startswith("gguf-"):
                raise
            return None
        return header if header.whole else None

    def _folder(self, found: hub.Listing) -> tuple[WeightsHeader, list[RangeFile]]:
        weights = safetensors.weight_files(list(found.files))
        small = [RangeFile(found, file) for file in SMALL if file in found.files]
        with TemporaryDirectory(prefix="pytest-slm-") as folder:
            try:
                for source in small:
                    (Path(folder) / source.file).write_bytes(source.read(safetensors.MAX_JSON + 1))
                for file in weights:  # for the look whether all are there that the index names
                    (Path(folder) / file).touch()
                shards = [RangeFile(found, file) for file in safetensors.shard_names(Path(folder))]
                tables = ((shard.path, safetensors.table_of(shard, shard.size, shard.path)) for shard in shards)
                header = safetensors.told(Path(folder), tables, sum(shard.size for shard in shards))
            except UsageError as error:  # its reader names the place for a moment, where nobody can look
                raise UsageError(str(error.args[0]).replace(folder, found.repo), slug=error.slug) from None
        return header, [*small, *shards]
