import http.client
import threading
from collections.abc import Iterator

import pytest

from anymask.core.errors import OutputError
from anymask.dataset.viewer_server import serving


@pytest.fixture
def port(tmp_path) -> Iterator[int]:
    (tmp_path / "secret.txt").write_text("secret")
    site = tmp_path / "site"
    (site / "assets").mkdir(parents=True)
    (site / "index.html").write_text("page")
    (site / "assets" / "a.js").write_text("0")
    (site / "link.txt").symlink_to(tmp_path / "secret.txt")
    with serving(site) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield server.server_port
        server.shutdown()
        thread.join()


def get(port: int, path: str, host: str = "localhost") -> tuple[int, str | None, bytes]:
    connection = http.client.HTTPConnection("127.0.0.1", port)
    connection.putrequest("GET", path, skip_host=True)
    connection.putheader("Host", f"{host}:{port}")
    connection.endheaders()
    answer = connection.getresponse()
    result = answer.status, answer.getheader("Content-Type"), answer.read()
    connection.close()
    return result


def test_files_have_their_types(port):
    assert get(port, "/") == (200, "text/html; charset=utf-8", b"page")
    assert get(port, "/assets/a.js") == (200, "text/javascript", b"0")


@pytest.mark.parametrize(
    "path", ["/../secret.txt", "/%2e%2e/secret.txt", "/link.txt", "/assets/", "/none"]
)
def test_nothing_else_is_given(port, path):
    status, _, body = get(port, path)
    assert status == 404
    assert b"secret" not in body


def test_other_names_of_this_machine_are_refused(port):
    assert get(port, "/", host="evil.example")[0] == 403


def test_a_port_in_use_is_told(port, tmp_path):
    with pytest.raises(OutputError, match="port must be free"), serving(tmp_path, port):
        pass
