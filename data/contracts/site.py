"""The Data Docs site made readable without a network, with a first page that says everything in one table."""

import re
import shutil
from collections.abc import Sequence
from html import escape
from pathlib import Path

STYLE = """
:root { color-scheme: light; }
* { box-sizing: border-box; }
body { margin: 0; padding: 1.5rem 2rem 4rem; font: 15px/1.5 system-ui, sans-serif; color: #1d2430; }
h1 { font-size: 1.6rem; margin: 0 0 .2rem; }
h4, h5, h6 { margin: 0; font-size: 1rem; }
p.about { color: #5a6472; margin: 0 0 1.2rem; overflow-wrap: anywhere; }
a { color: #1657a8; }
table { border-collapse: collapse; width: 100%; margin: .5rem 0; }
th, td { text-align: left; vertical-align: top; padding: .45rem .7rem; border-bottom: 1px solid #dde2e9; }
td { overflow-wrap: anywhere; }
th { color: #5a6472; font-weight: 600; }
td.name { font-weight: 600; white-space: nowrap; }
td.name, td.severity, td.verdict { overflow-wrap: normal; white-space: nowrap; }
.passed, .text-success { color: #17703a; }
.failed, .text-danger { color: #b3202a; }
.warned { color: #8a5a00; }
.skipped { color: #5a6472; }
.fa-check-circle::before { content: "✓"; font-style: normal; }
.fa-times::before { content: "✗"; font-style: normal; }
.navbar .breadcrumb { list-style: none; display: flex; gap: .6rem; padding: 0; margin: 0; color: #5a6472; }
.navbar { height: auto !important; margin-bottom: 1rem; }
.container-fluid > .row { display: grid; grid-template-columns: 14rem minmax(0, 1fr); gap: 2rem; }
.ge-section .row { display: block; }
.alert { background: #f2f4f7; border-radius: 6px; padding: .5rem .8rem; margin-top: 1rem; }
.ge-section .col-6 { max-width: 30rem; }
.table-unbordered { width: auto; }
.nav { list-style: none; padding: 0; margin: 0; max-height: none !important; }
.nav-link { display: block; padding: .1rem 0; text-decoration: none; }
.card.mb-3, .btn, .collapse, a[data-toggle=collapse] { display: none; }
.sticky { position: sticky; top: 1rem; }
@media (max-width: 800px) { .container-fluid > .row { display: block; } body { padding: 1rem; } }
"""
POLICY = "default-src 'none'; style-src 'unsafe-inline'"
HEAD = (
    f'<meta charset="UTF-8"><meta http-equiv="Content-Security-Policy" content="{POLICY}">\n<style>{STYLE}</style>'
)
# What fetches from somewhere, or is of no use without what it fetches.
OUTSIDE = re.compile(
    r"<script\b.*?</script\s*>|<style\b.*?</style\s*>|<link\b[^>]*>|<footer\b.*?</footer\s*>|<meta charset[^>]*>",
    re.DOTALL | re.IGNORECASE,
)
IMAGE = re.compile(r"<img\b[^>]*>", re.IGNORECASE)


def finish_site(folder: Path, title: str, about: str, rows: Sequence[tuple[str, str, str, str, str]]) -> Path:
    """Make every page stand alone, and write the first page; the path of the latter.

    rows: check, severity, what it expects, what was observed, verdict.
    """
    for page in folder.rglob("*.html"):
        page.write_text(standing_alone(page.read_text("utf-8")), "utf-8")
    shutil.rmtree(folder / "static", ignore_errors=True)  # fonts and pictures that only the scripts use
    links = [
        (label, page.relative_to(folder).as_posix())
        for label, part in (("Results by column", "validations"), ("What is expected", "expectations"))
        for page in sorted((folder / part).rglob("*.html"))
    ]
    index = folder / "index.html"
    index.write_text(_first_page(title, about, rows, links), "utf-8")
    return index


def standing_alone(page: str) -> str:
    """A page of the site without scripts, and with its style inside."""
    page = IMAGE.sub("", OUTSIDE.sub("", page))
    return page.replace("<head>", f"<head>\n{HEAD}", 1)


def _first_page(
    title: str, about: str, rows: Sequence[tuple[str, str, str, str, str]], links: list[tuple[str, str]]
) -> str:
    body = "\n".join(
        f'<tr><td class="verdict {escape(verdict.split()[0])}">{escape(verdict)}</td>'
        f'<td class="name">{escape(name)}</td><td class="severity">{escape(severity)}</td>'
        f"<td>{escape(says)}</td><td>{escape(observed)}</td></tr>"
        for name, severity, says, observed, verdict in rows
    )
    onward = " · ".join(f'<a href="{escape(target)}">{escape(label)}</a>' for label, target in links)
    return (
        f'<!DOCTYPE html>\n<html lang="en"><head>{HEAD}\n<meta name="viewport" content="width=device-width">'
        f"<title>{escape(title)}</title></head>\n<body><h1>{escape(title)}</h1>\n"
        f"<p class='about'>{escape(about)}</p>\n"
        f"<p>{onward}</p>\n<table><thead><tr><th>Verdict</th><th>Check</th><th>Severity</th><th>Expected</th>"
        f"<th>Observed</th></tr></thead>\n<tbody>\n{body}\n</tbody></table></body></html>\n"
    )
