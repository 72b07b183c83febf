"""Reports as one HTML file: no other file, no script, light or dark as the reader's system is."""

import base64
import html

# Pictures are part of the file, so that a page can be mailed and nothing is fetched.
_POLICY = "default-src 'none'; img-src data:; style-src 'unsafe-inline'"
_STYLE = """
:root { color-scheme: light dark; --page: light-dark(#f4f5f7, #14161a);
  --surface: light-dark(#fff, #1d2026); --line: light-dark(#dfe2e8, #333842);
  --text: light-dark(#1a1d23, #e8eaee); --soft: light-dark(#565d6b, #a2a9b6); }
body { margin: 0; background: var(--page); color: var(--text);
  font: 15px/1.5 system-ui, -apple-system, "Segoe UI", Roboto, sans-serif; }
main { max-width: 1060px; margin: 0 auto; padding: 28px 20px 50px; }
h1 { font-size: 26px; line-height: 1.25; margin: 0 0 4px; overflow-wrap: anywhere; }
h2 { font-size: 17px; margin: 0 0 10px; }
p { margin: 4px 0; }
.soft, figcaption, footer { color: var(--soft); }
footer { margin-top: 24px; font-size: 13px; }
section { background: var(--surface); border: 1px solid var(--line); border-radius: 12px;
  padding: 14px 18px; margin: 16px 0; overflow-x: auto; }
img { display: block; max-width: 100%; height: auto; border-radius: 6px; }
figure { margin: 0; }
table { border-collapse: collapse; width: 100%; font-variant-numeric: tabular-nums; }
th, td { padding: 5px 14px 5px 0; text-align: right; border-bottom: 1px solid var(--line); }
th:first-child, td:first-child { text-align: left; }
"""


def html_page(title: str, body: str, style: str = "") -> str:
    """Return the page.

    Args:
        title: plain text.
        body: HTML of what stands below the title, in sections.
        style: rules of this page's own; colours are `var(--text)`, `--soft`, `--line`, `--surface`.
    """
    name = html.escape(title)
    return f"""<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<meta http-equiv="Content-Security-Policy" content="{_POLICY}">
<title>{name}</title>
<style>{_STYLE}{style}</style>
</head>
<body>
<main>
<h1>{name}</h1>
{body}
</main>
</body>
</html>
"""


def data_url(content: bytes, media_type: str) -> str:
    """Return a picture as the address that shows it in a page."""
    return f"data:{media_type};base64,{base64.b64encode(content).decode()}"
