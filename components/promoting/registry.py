"""The registry: versions of a model, what is known of them, and which of them is the champion."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from components.promoting.evidence import GRAPHS
from components.promoting.ledger import Entry, Ledger
from components.tracking.figures import Refused, reachable
from components.tracking.runs import SQLITE, client_of, new_run
from voco_model.errors import VocoError

MODEL = "voco-llama"
"""The registered model's name unless configured."""
CHAMPION, CHALLENGER, PREVIOUS = "champion", "challenger", "previous"
EXPORTED = "exported_sha256"
LEDGER_TAG, SETTLED_TAG = "voco.ledger", "voco.ledger.settled"
"""Of the registered model: the run that holds its ledger, and how far the aliases followed it."""
ALL = 100_000


@dataclass(frozen=True)
class Version:
    """One version as the registry has it."""

    number: str
    run: str
    """The run in MLflow that holds its files."""
    source: str
    """Where its files are."""
    tags: Mapping[str, str]


class Registry:
    """One registered model, whether it exists yet or not."""

    def __init__(self, uri: str, name: str = MODEL) -> None:
        self.uri, self.name = uri, name
        with reachable():
            self._client = client_of(uri)

    def versions(self) -> list[Version]:
        """All, the newest first."""
        with reachable():
            found = self._client.search_model_versions(f"name = '{self.name}'", max_results=ALL)
        return sorted(map(_version, found), key=lambda one: int(one.number), reverse=True)

    def by_alias(self, alias: str) -> Version | None:
        """Which version an alias names now."""
        if not (model := self._model()) or alias not in model.aliases:
            return None
        return self.by_number(str(model.aliases[alias]))

    def by_number(self, number: str) -> Version:
        """A version that must be there."""
        for one in self.versions():
            if one.number == number:
                return one
        raise VocoError(f"{self.name}: no version {number}; {self._there()}")

    def find(self, written: str) -> Version:
        """A version by `@alias` or `/number`, or the champion."""
        if written.startswith("/"):
            return self.by_number(written[1:])
        alias = written.removeprefix("@") or CHAMPION
        if (found := self.by_alias(alias)) is None:
            raise VocoError(f"{self.name}: no version has the alias {alias}; {self._there()}")
        return found

    def register(self, source: str, run: str, tags: Mapping[str, str]) -> Version:
        """A new version, with its tags from the first moment on."""
        self._make_model()
        with reachable():
            made = self._client.create_model_version(self.name, source, run_id=run, tags=dict(tags))
        return _version(made)

    def ledger(self) -> Ledger:
        """The model's ledger; a model that was made without one gets it now."""
        self.check_exists()
        if (run := self._model().tags.get(LEDGER_TAG)) is None:
            run = self._new_ledger()
            _persistently(lambda: self._client.set_registered_model_tag(self.name, LEDGER_TAG, run))
        return Ledger(self._client, self.name, run)

    def check_exists(self) -> None:
        """Refuse a name under which nothing is registered."""
        if self._model() is None:
            raise VocoError(f"{self.name}: {self._there()}")

    def existing_ledger(self) -> Ledger | None:
        """The same, where nothing may be written."""
        model = self._model()
        run = model.tags.get(LEDGER_TAG) if model else None
        return Ledger(self._client, self.name, run) if run else None

    def place(self, run: str, name: str) -> str:
        """Where `upload` puts something among a run's files."""
        with reachable():
            return f"{self._client.get_run(run).info.artifact_uri}/{name}"

    @property
    def settled(self) -> tuple[int, str] | None:
        """Number and digest of the last entry that aliases followed."""
        model = self._model()
        number, _, sha256 = (model.tags.get(SETTLED_TAG, "") if model else "").partition(" ")
        return (int(number), sha256) if number.isdigit() else None

    def settle(self, entry: Entry) -> None:
        """Note that aliases are what they are after this entry."""
        said = f"{entry.number} {entry.sha256}"
        _persistently(lambda: self._client.set_registered_model_tag(self.name, SETTLED_TAG, said))

    def aliases(self) -> dict[str, str]:
        """All of them, with the versions that they name."""
        model = self._model()
        return {alias: str(number) for alias, number in model.aliases.items()} if model else {}

    def name_it(self, alias: str, version: Version) -> None:
        """Move an alias to a version."""
        _persistently(lambda: self._client.set_registered_model_alias(self.name, alias, version.number))

    def tag(self, version: Version, tags: Mapping[str, str]) -> None:
        """Say more of a version."""
        for key, value in tags.items():
            _persistently(partial(self._client.set_model_version_tag, self.name, version.number, key, value))

    def upload(self, folder: Path, run: str, place: str) -> str:
        """Put a file or folder among a run's files; where it is then."""
        with reachable():
            if folder.is_dir():
                self._client.log_artifacts(run, str(folder), place)
            else:
                self._client.log_artifact(run, str(folder), place)
        return self.place(run, place)

    def fetch(self, where: str, to: Path) -> Path:
        """What `upload` put somewhere, below `to`."""
        from mlflow.artifacts import download_artifacts

        with reachable():
            to.mkdir(parents=True, exist_ok=True)
            try:
                return Path(download_artifacts(artifact_uri=where, dst_path=str(to), tracking_uri=self.uri))
            except OSError as error:
                raise VocoError(f"{where}: cannot be fetched ({error.strerror or error})") from None

    def graphs(self, version: Version, to: Path) -> Path | None:
        """What is known of a version's ONNX graphs, without the graphs; None where it has none.

        A store that does not answer is an error: what cannot be read is not what is not there.
        """
        from mlflow.artifacts import list_artifacts

        from voco_model.portable.parity import PARITY

        with reachable():
            names = {Path(one.path).name for one in list_artifacts(version.source, tracking_uri=self.uri)}
        if not names:
            raise VocoError(f"{version.source}: the files of version {version.number} are gone; export it again")
        return self.fetch(f"{version.source}/{GRAPHS}/{PARITY}", to).parent if GRAPHS in names else None

    def _make_model(self) -> None:
        """Under its name once, with its ledger from the first moment on, however many try at the same time."""
        if self._model() is not None:
            return
        run = self._new_ledger()
        try:
            with reachable():
                self._client.create_registered_model(self.name, tags={LEDGER_TAG: run})
        except Refused:
            if self._model() is None:
                raise
            with reachable():
                self._client.delete_run(run)  # somebody else was first; theirs counts

    def _new_ledger(self) -> str:
        with reachable():
            return new_run(self.uri, f"ledger of {self.name}", {LEDGER_TAG: self.name})

    def _model(self) -> Any:
        with reachable():
            found = self._client.search_registered_models(f"name = '{self.name}'", max_results=1)
        return found[0] if found else None

    def _there(self) -> str:
        numbers = [one.number for one in self.versions()]
        model = self._model()
        aliases = [f"@{name}" for name in sorted(model.aliases)] if model else []
        if not numbers:
            return "nothing is registered under that name"
        return f"there are {', '.join([*(f'/{number}' for number in reversed(numbers)), *aliases])}"


def _persistently(write: Callable[[], Any]) -> None:
    """Write what may be written twice: of two that write a row first, MLflow refuses one."""
    for last in (False, False, True):
        try:
            with reachable():
                write()
            return
        except Refused:
            if last:
                raise


def check_name(name: str) -> str:
    """Refuse a name that a registry or a filter would misread."""
    if not name or any(sign in name for sign in "/@:'\"%\\") or name != name.strip():
        raise VocoError(f"{name!r}: no name for a registered model; use letters, digits, dashes")
    return name


def split_name(written: str) -> tuple[str, str]:
    """`MODEL`, `MODEL@alias` or `MODEL/version` as name and rest; a bare number or alias is of `voco-llama`."""
    if written.isdigit():
        return MODEL, f"/{written}"
    if written.startswith("@"):
        return MODEL, written
    for sign in "@/":
        name, found, rest = written.partition(sign)
        if found:
            return check_name(name), sign + rest
    return check_name(written), ""


def existing_registry(uri: str, name: str) -> Registry:
    """One to be read: a local database that is not there is a mistake, and none is made."""
    if uri.startswith(SQLITE) and not Path(uri.removeprefix(SQLITE)).is_file():
        raise VocoError(f"{uri}: no registry there; run `voco run` first, or set MLFLOW_TRACKING_URI or VOCO_HOME")
    return Registry(uri, name)


def _version(found: Any) -> Version:
    return Version(str(found.version), found.run_id or "", found.source, dict(found.tags))
