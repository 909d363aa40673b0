"""Writes what an image holds as a CycloneDX bill of materials: Python packages and, on Debian, the system's.

Run while the image is built, by its own Python: `python3 sbom.py FILE`. Without a time stamp and in order, so that
the same packages give the same bytes.
"""

import json
import re
import sys
from importlib.metadata import distributions
from pathlib import Path
from urllib.parse import quote

DPKG_STATUS = Path("/var/lib/dpkg/status")


def component(kind: str, name: str, version: str) -> dict[str, str]:
    purl = f"pkg:{kind}/{name}@{quote(version)}"
    return {"type": "library", "name": name, "version": version, "purl": purl, "bom-ref": purl}


def python_packages() -> list[dict[str, str]]:
    """The interpreter's packages, by their normalised names."""
    found = {re.sub(r"[-_.]+", "-", d.metadata["Name"]).lower(): d.version for d in distributions()}
    return [component("pypi", name, version) for name, version in sorted(found.items())]


def debian_packages(status: Path = DPKG_STATUS) -> list[dict[str, str]]:
    """The installed ones of dpkg's list; none where there is no dpkg."""
    if not status.is_file():
        return []
    found = {}
    for paragraph in status.read_text(encoding="utf-8", errors="replace").split("\n\n"):
        fields = dict(re.findall(r"^(Package|Version|Status): (.*)$", paragraph, re.MULTILINE))
        if fields.get("Status", "").endswith(" installed"):
            found[fields["Package"]] = fields["Version"]
    return [component("deb/debian", name, version) for name, version in sorted(found.items())]


def bill_of_materials() -> dict[str, object]:
    return {
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "version": 1,
        "components": python_packages() + debian_packages(),
    }


if __name__ == "__main__":
    Path(sys.argv[1]).write_text(json.dumps(bill_of_materials(), indent=1) + "\n", encoding="utf-8")
