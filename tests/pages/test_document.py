"""The document that a page begins with knows where the lab is; nothing else is touched."""

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import HTMLResponse, PlainTextResponse, Response
from starlette.routing import Route
from starlette.testclient import TestClient

from pages.widgets.document import Document

PAGE = "<html><head><title>x</title></head></html>"


def page(request: Request) -> Response:
    if request.method == "GET":
        assert not {"accept-encoding", "if-none-match", "if-modified-since"} & set(request.headers)
    return HTMLResponse(PAGE, headers={"ETag": "x", "Last-Modified": "y"})


def client() -> TestClient:
    routes = [Route("/", page), Route("/runs", page), Route("/text", lambda _: PlainTextResponse("<head>"))]
    return TestClient(Document(Starlette(routes=routes), "/", ["lab/a.js"], ["lab/b.js"], "first()"))


def test_the_document_is_told_where_the_lab_is_and_the_train_page_what_it_needs() -> None:
    train = client().get("/", headers={"Accept": "text/html"})
    assert "<script>first();window" in train.text
    assert 'BACKEND_BASE_URL: new URL(".", document.baseURI).href' in train.text
    assert '<link rel="modulepreload" href="lab/a.js"><link rel="preload" as="script" href="lab/b.js">' in train.text
    assert int(train.headers["content-length"]) == len(train.content) > len(PAGE)
    runs = client().get("/runs", headers={"Accept": "text/html"}).text
    assert "BACKEND_BASE_URL" in runs and "modulepreload" not in runs


def test_a_document_is_never_taken_from_before_an_upgrade() -> None:
    first = client().get("/", headers={"Accept": "text/html", "If-None-Match": "x", "If-Modified-Since": "y"})
    assert first.status_code == 200 and not {"etag", "last-modified"} & set(first.headers)
    assert client().head("/", headers={"Accept": "text/html"}).status_code == 200


def test_everything_else_stays_as_it_is() -> None:
    assert client().get("/text", headers={"Accept": "text/html"}).text == "<head>"
    assert client().get("/none", headers={"Accept": "text/html"}).status_code == 404
