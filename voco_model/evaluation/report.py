"""A summary as one page that needs no network: figures, answers, attention, what a probe reads, identity."""

import html
from collections.abc import Mapping, Sequence

from voco_model.evaluation import panels
from voco_model.evaluation.charts import BARS_KEY, CURVES_KEY, bars, curve
from voco_model.evaluation.kinds import Kind
from voco_model.evaluation.outcome import VOCO, Outcome, Row
from voco_model.evaluation.panels import Behind
from voco_model.evaluation.style import STYLE
from voco_model.evaluation.tables import RETENTION, Figure, grid

MEAN = "mean"
HEAD = (
    "<!doctype html><html lang=en><meta charset=utf-8>"
    "<meta http-equiv=Content-Security-Policy"
    " content=\"default-src 'none';img-src data:;style-src 'unsafe-inline'\">"
    "<meta name=viewport content='width=device-width,initial-scale=1'><link rel=icon href='data:,'>"
)
INTERVALS = "In brackets: 95 % bootstrap intervals over pictures; retention's has the bounds' own in it."


def page(
    outcomes: Sequence[Outcome],
    figures: Sequence[Figure],
    titles: Mapping[str, str],
    remarks: Sequence[str],
    more: Sequence[tuple[str, Sequence[Sequence[str]]]] = (),
    behind: Behind = (),
    kinds: Mapping[str, Sequence[Kind]] | None = None,
    made: str | None = None,
) -> str:
    """The page's HTML.

    more: other tables, each with its title and its cells.
    kinds: each benchmark's types of question.
    made: when the run was.
    """
    asked = sum(int(o.about.get("read") or 0) for o in outcomes)
    model = str(outcomes[0].about.get("model"))
    sections = [("Tables", _tables(figures, titles))]
    if curves := _curves(figures, titles):
        sections.append(("Retention by the number of VoCo tokens", curves))
    if more:
        sections.append(("The paper's tables, ours beside", _more(more)))
    if kinds:
        sections.append(("By type of question", _kinds(outcomes, kinds)))
    if behind:
        sections.append(("Answers", panels.answers(behind)))
        sections.append(("Where VoCo tokens look", panels.attention(behind)))
        sections.append(("What is linearly readable from VoCo tokens", panels.probe(behind)))
    notes = "".join(f"<li>{html.escape(remark)}" for remark in (INTERVALS, *remarks))
    sections += [("To know", f"<ul>{notes}</ul>"), ("What was evaluated", panels.identity(outcomes, behind, made))]
    links = "".join(f"<a href='#s{k}'>{html.escape(title)}</a> " for k, (title, _) in enumerate(sections))
    body = "".join(
        f"<h2 id=s{k}>{html.escape(title)}</h2>{content}\n" for k, (title, content) in enumerate(sections)
    )
    count = f"{len(outcomes)} benchmark{'s' if len(outcomes) != 1 else ''}, {asked:,} questions"
    when = f", {html.escape(made)}" if made else ""
    return (
        f"{HEAD}<title>Evaluation of {html.escape(model[:12])}</title><style>{STYLE}</style><h1>Evaluation</h1>\n"
        f"<p>Model <code>{html.escape(model[:12])}</code>: {count}{when}.</p>{_gist(figures)}"
        f"<nav>{links}</nav>\n{body}</html>\n"
    )


def _gist(figures: Sequence[Figure]) -> str:
    """The one figure that most readers come for."""
    means = [f for f in figures if f.table == RETENTION and f.metric == MEAN and f.n_voco]
    if not means:
        return ""
    best = max(means, key=lambda f: f.n_voco or 0)
    (_, _, cell) = grid([best], {})[1][:3]
    plural = "s" if best.n_voco != 1 else ""
    return f"<p>Mean retention with {best.n_voco} VoCo token{plural}: <b>{cell} %</b></p>"


def _tables(figures: Sequence[Figure], titles: Mapping[str, str]) -> str:
    out = []
    for table in dict.fromkeys(each.table for each in figures):
        own = [each for each in figures if each.table == table]
        out.append(f"<h3>{html.escape(table)}</h3><div class=scroll>{_table(grid(own, titles))}</div>")
    return "".join(out)


def _more(tables: Sequence[tuple[str, Sequence[Sequence[str]]]]) -> str:
    return "".join(
        f"<h3>{html.escape(title)}</h3><div class=scroll>{_table(cells)}</div>" for title, cells in tables
    )


def _table(cells: Sequence[Sequence[str]]) -> str:
    head, *rows = cells
    lines = ["<tr>" + "".join(f"<th>{html.escape(cell)}" for cell in head)]
    for row in rows:
        kind = " class=paper" if row[0].endswith("the paper") else ""
        lines.append(f"<tr{kind}>" + "".join(f"<td>{html.escape(cell)}" for cell in row))
    return f"<table>{''.join(lines)}</table>"


def _curves(figures: Sequence[Figure], titles: Mapping[str, str]) -> str:
    """The mean's first, then each benchmark's."""
    own = [f for f in figures if f.table == RETENTION and f.n_voco]
    metrics = sorted({f.metric for f in own}, key=lambda metric: (metric != MEAN, titles.get(metric, metric)))
    drawn = [curve([f for f in own if f.metric == m], m, _named(m, titles)) for m in metrics]
    return f"{CURVES_KEY}<div class=curves>{''.join(drawn)}</div>" if drawn else ""


def _named(metric: str, titles: Mapping[str, str]) -> str:
    return "mean over benchmarks" if metric == MEAN else titles.get(metric, metric)


def _kinds(outcomes: Sequence[Outcome], kinds: Mapping[str, Sequence[Kind]]) -> str:
    out = [
        BARS_KEY,
        "<p class=quiet>The mean of what each answer is worth; a benchmark's own figure may weigh otherwise.",
    ]
    for outcome in outcomes:
        row = widest(outcome)
        if row is None:
            continue
        n = f"{row.n_voco} VoCo token{'s' if row.n_voco != 1 else ''}"
        out.append(f"<h3>{html.escape(outcome.title)}, {n}</h3>{bars(kinds[outcome.benchmark], row.name)}")
    return "".join(out)


def widest(outcome: Outcome) -> Row | None:
    """The row that was read from the most VoCo tokens."""
    return max((row for row in outcome.rows if row.row == VOCO), key=lambda row: row.n_voco or 0, default=None)
