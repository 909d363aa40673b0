"""How a report looks, on a wide page and on a narrow one."""

OURS, THEIRS, BOUND = "#1769aa", "#8a5a00", "#555"
"""This model's colour, the paper's, the bounds'."""

STYLE = f"""
:root{{color-scheme:light}}*{{box-sizing:border-box}}
body{{font:15px/1.5 system-ui,sans-serif;max-width:72em;margin:1.5em auto 4em;padding:0 1em}}
body{{color:#222;background:#fff}}
h1{{font-size:1.6em;margin:0 0 .2em}}h2{{font-size:1.2em;margin:2.2em 0 .5em;border-bottom:1px solid #ddd}}
h3{{font-size:1em;margin:1.4em 0 .4em}}p{{margin:.4em 0;max-width:52em}}.quiet{{color:#555;font-size:.9em}}
nav a{{margin-right:1em;white-space:nowrap}}a{{color:{OURS}}}code{{font-size:.9em;overflow-wrap:anywhere}}
.scroll{{overflow-x:auto}}table{{border-collapse:collapse;font-variant-numeric:tabular-nums}}
th,td{{padding:.3em .8em;text-align:right;border-bottom:1px solid #ddd;white-space:nowrap}}
th{{white-space:normal;vertical-align:bottom}}
th:first-child,td:first-child{{text-align:left;padding-left:0}}
th.text,td.text{{text-align:left;white-space:normal;min-width:9em}}
.paper td{{color:{THEIRS}}}
.curves{{display:grid;grid-template-columns:repeat(auto-fill,minmax(min(100%,23em),1fr));gap:1em 2em}}
h3::first-letter,figcaption::first-letter{{text-transform:uppercase}}
figure{{margin:0}}figcaption{{font-weight:600}}svg{{display:block;width:100%;height:auto}}
.key{{display:flex;flex-wrap:wrap;gap:.2em 1.4em;font-size:.9em;color:#444;margin:.5em 0}}
.key i{{display:inline-block;vertical-align:middle;margin-right:.4em}}
.key .line{{width:22px;border-top:2px solid {OURS}}}.key .dash{{width:22px;border-top:2px dashed {THEIRS}}}
.key .band{{width:22px;height:10px;background:{OURS};opacity:.2}}
.key .full{{width:22px;height:10px;background:{OURS}}}
.key .low,.key .up{{width:0;height:14px;border-left:3px dotted {BOUND}}}.key .up{{border-left-style:solid}}
.bar{{display:grid;grid-template:"name track value"/minmax(6em,16em) 1fr 9em;gap:0 .9em;align-items:center}}
.bar{{max-width:60em;margin:.35em 0}}.bar .name{{grid-area:name;overflow-wrap:anywhere;line-height:1.25}}
.bar .value{{grid-area:value;font-variant-numeric:tabular-nums}}.bar .track{{grid-area:track}}
.track{{position:relative;height:16px;background:#eef1f4}}.track>*{{position:absolute;top:0;bottom:0}}
.track .fill{{left:0;background:{OURS};opacity:.75}}
.track .span{{top:7px;bottom:7px;background:#0b3a61}}
.track .low,.track .up{{width:0;border-left:3px dotted {BOUND};margin-left:-1px;top:-3px;bottom:-3px}}
.track .up{{border-left-style:solid}}
.cards{{display:grid;grid-template-columns:repeat(auto-fill,minmax(min(100%,10.5em),1fr));gap:1em}}
.card{{border:1px solid #ddd;border-top:4px solid #b3261e;padding:.6em;overflow-wrap:anywhere;line-height:1.35}}
.card.right{{border-top-color:#1b7f3b}}
.card img{{display:block;width:100%;height:7em;object-fit:contain;margin:0 auto .5em}}
.card p{{margin:.25em 0}}.card .kind{{color:#555;font-size:.85em}}
.card .mark{{font-weight:600;color:#b3261e}}.card.right .mark{{color:#1b7f3b}}
.maps{{display:flex;flex-wrap:wrap;gap:.7em;margin:.4em 0 1em}}.maps figcaption{{font-weight:400;font-size:.85em}}
.maps figure{{width:112px}}.map{{position:relative;height:112px;background-size:100% 100%}}
.map img{{position:absolute;inset:0;width:100%;height:100%;image-rendering:pixelated}}
dl{{display:grid;grid-template-columns:minmax(6em,max-content) 1fr;gap:.2em 1em}}dt{{color:#555}}
dd{{margin:0;overflow-wrap:anywhere;min-width:0}}
@media(max-width:640px){{
.bar{{grid-template:"name value" "track track"/1fr max-content;gap:.15em .8em;margin:.6em 0}}
.maps figure{{width:100px}}.map{{height:100px}}
}}
"""
