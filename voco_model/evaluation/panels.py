"""The report's parts beside tables and drawings: answers, attention, probe, identity; every text escaped."""

import html
from collections.abc import Mapping, Sequence
from itertools import zip_longest
from typing import Any

from voco_model.evaluation.gallery import RIGHT, Card
from voco_model.evaluation.looks import PICTURES, TOKENS, Looked, Looks
from voco_model.evaluation.outcome import Outcome

Behind = Sequence[tuple[Outcome, Looks]]
"""Each benchmark's outcome with what was seen of it."""


def told(text: object) -> str:
    """As text of a page, also inside quotes."""
    return html.escape(str(text), quote=True)


def answers(behind: Behind) -> str:
    """Right and wrong answers of each benchmark, side by side."""
    out = [
        f"<p class=quiet>Drawn by the questions' names, not chosen; right is worth at least {RIGHT:g}."
        " A strip is a clip's first, middle and last frame."
    ]
    for outcome, looks in behind:
        cards = "".join(map(_card, looks.cards))
        out.append(
            f"<h3>{told(outcome.title)}, read from {_tokens(looks.reading)}</h3><div class=cards>{cards}</div>"
        )
    return "".join(out)


def _card(card: Card) -> str:
    picture = f"<img src='{told(card.picture)}' alt='what the question is about'>" if card.picture else ""
    worth = "" if card.score in (0, 1) else f" <span class=quiet>worth {card.score:g}</span>"
    kind = f"<p class=kind>{told(card.kind)}" if card.kind else ""
    read = f" <span class=quiet>read as {told(card.read)}</span>" if card.read else ""
    mark = "✓ right" if card.right else "✗ wrong"
    return (
        f"<div class='card{' right' if card.right else ''}'>{picture}<p><b>{told(card.question)}</b>"
        f"<p>answered: {told(card.given) or '<i>nothing</i>'}{read}<p>wanted: {told(card.wanted)}"
        f"<p><span class=mark>{mark}</span>{worth}{kind}</div>"
    )


def _tokens(reading: str) -> str:
    n = reading.rpartition("_")[2]
    return f"{n} VoCo token{'s' if n != '1' else ''} a picture"


def attention(behind: Behind) -> str:
    """A few pictures, from different benchmarks where there are several."""
    found = [
        one
        for row in zip_longest(*([(o, s, each) for each in s.looked] for o, s in behind))
        for one in row
        if one is not None
    ][:PICTURES]
    if not found:
        return "<p>Nothing to see: no picture was asked about, or it is compressed before the language model."
    out = [
        "<p class=quiet>Phase 1, the mean over heads. The less VoCo tokens look at a patch, the darker it is"
        " (by the square root); it is clear where that map's attention is greatest. In percent: how much of"
        " their attention goes to the picture; the rest goes to the prefix and to earlier VoCo tokens."
    ]
    out += [_looked(number, *each) for number, each in enumerate(found)]
    return "".join(out)


def _looked(number: int, outcome: Outcome, looks: Looks, seen: Looked) -> str:
    def tile(shade: str, caption: str) -> str:  # captions are our own
        return (
            f"<figure><div class='map look{number}'><img src='{told(shade)}' alt='{caption}'></div>"
            f"<figcaption>{caption}</figcaption></figure>"
        )

    whole = f"<figure><div class='map look{number}'></div><figcaption>the picture</figcaption></figure>"
    layers = [
        tile(layer.shade, f"layer {k}: {layer.share:.0f}&nbsp;%") for k, layer in enumerate(seen.layers, start=1)
    ]
    tokens = [tile(shade, f"token {k}") for k, shade in enumerate(seen.tokens, start=1)]
    n = looks.reading.rpartition("_")[2]
    shown = f"the first {TOKENS} of {n} tokens" if int(n) > len(tokens) else "token by token"
    own = f"<p class=quiet>Layer {seen.closest + 1}, {shown}:<div class=maps>{''.join(tokens)}</div>"
    return (
        f"<style>.look{number}{{background-image:url({told(seen.picture)})}}</style>"
        f"<h3>{told(outcome.title)}: {told(seen.question)}</h3><div class=maps>{whole}{''.join(layers)}</div>"
        f"{own if len(tokens) > 1 else ''}"
    )


def probe(behind: Behind) -> str:
    """What a ridge regression reads from the tokens, beside what can be had without them."""
    rows = []
    for outcome, looks in behind:
        for row in looks.read:
            p, what = row.probed, told(row.what) or "all questions"
            sure = "yes" if p.accuracy.low > max(p.words, p.majority) else "unclear"
            cells = (
                f"{row.tokens}", f"{p.questions} / {p.pictures}", f"{p.majority:.0f} %", f"{p.words:.0f} %",
                f"<b>{p.accuracy.value:.0f} %</b> [{p.accuracy.low:.0f}, {p.accuracy.high:.0f}]", sure,
            )  # fmt: skip
            rows.append(f"<tr><td>{told(outcome.title)}<td class=text>{what}" + "".join(f"<td>{c}" for c in cells))
    if not rows:
        return "<p>No benchmark asks enough questions about single pictures for a probe."
    heads = (
        "",
        "question",
        "tokens",
        "questions / pictures",
        "most frequent",
        "words alone",
        "probe",
        "readable",
    )
    head = "".join(f"<th{' class=text' if name == 'question' else ''}>{name}" for name in heads)
    return (
        "<p class=quiet>A ridge regression from the cached keys and values of all layers to the right answer, its"
        " weights depending on the question's words; right answers in percent on pictures it was not fitted to,"
        " with a 95&nbsp;% interval over pictures. Beside it what the most frequent answer gets, and the same"
        " regression from the question's words alone. What it reads is there; what it does not"
        " read, having learned from these few questions alone, may be there still."
        f"<div class=scroll><table><tr>{head}{''.join(rows)}</table></div>"
    )


def identity(outcomes: Sequence[Outcome], behind: Behind, made: str | None) -> str:
    """Which model, by what, asked how, and when."""
    about: Mapping[str, Any] = outcomes[0].about
    bounds = next((o.about["upper"] for o in outcomes if o.about.get("upper")), "none")
    rows: list[tuple[str, object]] = [("model", about.get("model")), ("bounds' model", bounds)]
    if behind:
        found = behind[0][1].identity
        rows += list(found["shape"].items())
    rows += [("evaluated", made)] if made else []
    settings = about.get("asking", {}) | ({"limit": about["limit"]} if about.get("limit") else {})
    rows.append(("asked with", ", ".join(f"{name.replace('_', ' ')} {value}" for name, value in settings.items())))
    if behind:
        rows.append(("on", found["device"]))
        rows.append(("versions", ", ".join(f"{name} {version}" for name, version in found["versions"].items())))
    digests = {title: digest for _, looks in behind for title, digest in looks.identity["questions"].items()}
    for o in outcomes:
        digest = f", sha256 {digests[o.title]}" if o.title in digests else ""
        rows.append((o.title, f"{o.about.get('read')} questions, {o.metric}{digest}"))
    return "<dl>" + "".join(f"<dt>{told(name)}<dd>{told(value)}" for name, value in rows if value) + "</dl>"
