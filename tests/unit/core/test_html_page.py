import base64

from anymask.core.html_page import data_url, html_page


def test_the_title_is_text_and_the_body_is_html():
    page = html_page("<b> & co", "<p>as it is</p>", "p { color: red }")
    assert page.count("&lt;b&gt; &amp; co") == 2  # of the tab and above the text
    assert "<p>as it is</p>" in page
    assert "p { color: red }</style>" in page


def test_nothing_is_fetched_and_no_script_runs():
    assert "default-src 'none'; img-src data:" in html_page("t", "")


def test_a_picture_is_part_of_the_page():
    url = data_url(b"\x89PNG", "image/png")
    kind, _, content = url.partition(";base64,")
    assert kind == "data:image/png"
    assert base64.b64decode(content) == b"\x89PNG"
