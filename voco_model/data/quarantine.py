"""Records that were set aside: counted by their fault's code, the first of them kept, and written out."""

import json
from collections import Counter
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from voco_model.data.manifest import QUARANTINE_SCHEMA
from voco_model.data.records import Quarantined
from voco_model.errors import VocoError
from voco_model.files import whole_file


class Quarantine:
    """All are counted; `kept` holds the first `keep` of them, so that any number of faults fits in memory."""

    def __init__(self, keep: int = 100_000) -> None:
        self._keep = keep
        self.counts: Counter[str] = Counter()
        self.kept: list[Quarantined] = []

    def add(self, fault: Quarantined) -> None:
        """Set one record aside."""
        self.counts[fault.code] += 1
        if len(self.kept) < self._keep:
            self.kept.append(fault)

    def __len__(self) -> int:
        return self.counts.total()

    def share(self, total: int) -> float:
        """The share of `total` records, those set aside included; 0 of none."""
        return len(self) / total if total else 0.0

    def check(self, limit: float, total: int) -> None:
        """VocoError if more than the share `limit` of `total` records was set aside."""
        if self.share(total) <= limit:
            return
        by_code = ", ".join(f"{code} {count:,}" for code, count in sorted(self.counts.items()))
        first = f"{self.kept[0].file} record {self.kept[0].line}: {self.kept[0].reason}; " if self.kept else ""
        raise VocoError(
            f"{len(self):,} of {total:,} records are set aside ({by_code}), more than the {limit:.2%} allowed; "
            f"{first}mend the files or raise the limit"
        )

    def write(self, path: Path) -> None:
        """The kept ones as Parquet with QUARANTINE_SCHEMA; its metadata has the counts of all, as JSON."""
        names = QUARANTINE_SCHEMA.names
        columns = {name: [getattr(fault, name) for fault in self.kept] for name in names}
        counts = json.dumps(dict(sorted(self.counts.items())))
        schema = QUARANTINE_SCHEMA.with_metadata({"counts": counts})
        with whole_file(path) as temporary:
            pq.write_table(pa.table(columns, schema=schema), temporary)
