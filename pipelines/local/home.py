"""The one place where everything lies that local runs make: `.voco/`, or $VOCO_HOME."""

import os
import secrets
import time
from dataclasses import dataclass
from pathlib import Path

from components.stepping.places import voco_home


@dataclass(frozen=True)
class Home:
    """Where what lies. Removing the folder is a clean start."""

    root: Path

    @classmethod
    def here(cls) -> "Home":
        """By $VOCO_HOME, else `.voco` in the current folder."""
        return cls(voco_home())

    @property
    def database(self) -> Path:
        """MLflow's."""
        return self.root / "mlflow.db"

    @property
    def outputs(self) -> Path:
        """What tasks made, by run and task: KFP's pipeline root."""
        return self.root / "outputs"

    @property
    def cache(self) -> Path:
        """KFP's notes of which work was done already."""
        return self.root / "cache"

    @property
    def remote(self) -> Path:
        """DVC's."""
        return self.root / "dvc-remote"

    @property
    def tracking_uri(self) -> str:
        """MLflow's, unless the environment says another."""
        return os.environ.get("MLFLOW_TRACKING_URI") or f"sqlite:///{self.database}"

    def run(self, run_id: str) -> Path:
        """A run's own folder: package, log, spool, summary."""
        return self.root / "runs" / run_id

    def run_ids(self) -> list[str]:
        """All runs, the newest last."""
        folder = self.root / "runs"
        return sorted(path.name for path in folder.iterdir() if path.is_dir()) if folder.is_dir() else []

    def environment(self, run_id: str | None = None) -> dict[str, str]:
        """What a step's process finds, on top of what this one has."""
        given = {
            "VOCO_HOME": str(self.root),
            "VOCO_DVC_REMOTE": os.environ.get("VOCO_DVC_REMOTE") or str(self.remote),
            "MLFLOW_TRACKING_URI": self.tracking_uri,
            "MLFLOW_DISABLE_TELEMETRY": "true",
            "DVC_NO_ANALYTICS": "1",
            "GX_ANALYTICS_ENABLED": "false",
            "HF_HUB_OFFLINE": "1",
            "TOKENIZERS_PARALLELISM": "false",
            "GIT_PYTHON_REFRESH": "quiet",
            "PYTHONUNBUFFERED": "1",
        }
        if run_id is not None:
            given |= {"VOCO_RUN": run_id, "VOCO_SPOOL": str(self.run(run_id) / "spool")}
        return given


def new_run_id() -> str:
    """Sorts by time; two at once differ."""
    return f"{time.strftime('%Y%m%d-%H%M%S', time.gmtime())}-{secrets.token_hex(2)}"
