"""The lab behind nginx with TLS, as docs/deployment.md has it: a host of its own, and below a prefix, both ways."""

import contextlib
import os
import re
import secrets
import shlex
import shutil
import subprocess
import urllib.parse
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, BrowserContext, Response, expect

from pages.widgets.statement import number, text_of
from pg_core.runs.paths import ROOT
from pg_core.runs.store.store import Store
from tests.e2e.conftest import PATIENCE_MS, Open
from tests.e2e.provider import Provider
from tests.e2e.test_runs import select, upload
from tests.serving import Server, chromium, free_port, serve

NGINX = shutil.which("nginx", path=f"{os.environ['PATH']}:/usr/sbin")
OPENSSL = shutil.which("openssl")
DOCUMENT = (ROOT / "docs" / "deployment.md").read_text()
SITE, KEPT, STRIPPED = re.findall(r"```nginx\n(.*?)```", DOCUMENT, re.DOTALL)
[OPTIONS] = map(shlex.split, re.findall(r"streamlit run app\.py (--server\.allowedHosts .*)\n", DOCUMENT))
[LOGIN] = re.findall(r"```toml\n(\[auth\].*?)```", DOCUMENT, re.DOTALL)
PUBLIC = "https://lab.example.org"
FOLDERS = ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
CONFIG = """
user root;
pid nginx.pid;
error_log nginx.log;
events {{}}
http {{
    access_log off;
    {folders}
    {site}
}}
"""


def below(location: str) -> str:
    """Return the site with these locations in the place of its own."""
    return re.sub(r"^    location .*\n", "", SITE, flags=re.MULTILINE).replace("\n}", f"\n{location}}}")


@contextlib.contextmanager
def proxy(folder: Path, site: str, lab: Server) -> Iterator[int]:
    """Run nginx for one site until it is left; give its port. Only ports and paths are not as documented."""
    if NGINX is None or OPENSSL is None:
        pytest.skip("nginx or openssl is not installed")
    port = free_port()
    places = {"443": f"127.0.0.1:{port}", "/etc/ssl": str(folder), "8501": str(urllib.parse.urlsplit(lab.url).port)}
    for documented, here in places.items():
        assert documented in site
        site = site.replace(documented, here)
    certificate = ["-x509", "-newkey", "rsa:2048", "-nodes", "-subj", "/CN=lab.example.org"]
    files = ["-keyout", str(folder / "lab.key"), "-out", str(folder / "lab.pem")]
    subprocess.run([OPENSSL, "req", *certificate, *files], check=True, capture_output=True)
    folders = "".join(f"{name}_temp_path {name};" for name in FOLDERS)
    (folder / "nginx.conf").write_text(CONFIG.format(folders=folders, site=site))
    command = [NGINX, "-p", str(folder), "-c", "nginx.conf", "-e", "nginx.log"]
    subprocess.run(command, check=True)  # it listens when this has ended
    try:
        yield port
    finally:
        subprocess.run([*command, "-s", "stop"], check=True)


@contextlib.contextmanager
def visiting(browser: Browser, port: int) -> Iterator[BrowserContext]:
    """Start another browser, for which the host that is documented is where nginx listens."""
    options = chromium()
    options["args"].append(f"--host-resolver-rules=MAP lab.example.org 127.0.0.1:{port}")
    # Asked about nginx's own certificate for each request, Chromium may give up: ERR_TOO_MANY_RETRIES.
    options["args"].append("--ignore-certificate-errors")
    other = browser.browser_type.launch(**options)
    yield other.new_context()
    other.close()


@pytest.fixture(scope="module", params=[KEPT, STRIPPED], ids=["kept", "stripped"])
def location(request: pytest.FixtureRequest) -> str:
    """Return nginx's way to the lab; as a parameter of `server`, it would have that of all tests start again."""
    return str(request.param)


@pytest.fixture(scope="module")
def lab(location: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A lab as it is started for a proxy."""
    with serve(tmp_path_factory.mktemp("lab"), *OPTIONS, base="pg" if location == KEPT else "") as server:
        yield server


@pytest.fixture(scope="module")
def server(lab: Server) -> Server:
    """The lab below /pg/, as its visitors reach it."""
    return Server(f"{PUBLIC}/pg", lab.data, lab.process)


@pytest.fixture
def context(browser: Browser, location: str, lab: Server, server: Server, tmp_path: Path) -> Iterator[BrowserContext]:
    """A browser that asks for nothing outside of the prefix, and is refused nothing."""
    wrong = []

    def note(response: Response) -> None:
        is_outside = response.url.startswith("http") and not response.url.startswith(f"{server.url}/")
        if response.status >= 400 or is_outside:
            wrong.append(f"{response.status} {response.url}")

    with proxy(tmp_path, below(location), lab) as port, visiting(browser, port) as context:
        context.on("response", note)
        yield context
    assert wrong == []


def test_a_run_is_trained_exported_and_imported_and_a_proof_is_read(
    open_page: Open, server: Server, tmp_path: Path
) -> None:
    page, store = open_page("?num_updates=3&pace=0&hidden_layers=128,128"), Store(server.data)
    page.get_by_role("button", name="Train", exact=True).click()
    expect(page.locator(".lab-status")).to_contain_text("finished")
    expect(page.locator(".lab-returns .js-plotly-plot .scatterlayer .trace").first).to_be_attached()
    expect(page.get_by_text("update 3 · median agent")).to_be_visible()  # the policy is played

    page.get_by_test_id("stTopNavLink").filter(has_text="Runs").click()
    page.wait_for_url("**/pg/runs")
    select(page, 0)
    page.locator(".st-key-actions").get_by_role("button", name="Export").click()
    with page.expect_download() as download:
        page.get_by_role("button", name="The whole run, to be imported again").click()
    download.value.save_as(tmp_path / "run.zip")
    assert (tmp_path / "run.zip").stat().st_size > 2 * 2**20  # nginx by itself would refuse more than one
    before = len(store.runs())
    page.reload()
    upload(page, tmp_path / "run.zip")
    expect(page.get_by_text("Imported: ")).to_be_visible()
    assert len(store.runs()) == before + 1

    page.get_by_test_id("stTopNavLink").filter(has_text="Derivations").click()
    page.locator(".st-key-contents").get_by_role("link", name=text_of("log_derivative").title).click()
    page.wait_for_url("**/pg/derivations?statement=log_derivative")
    page.locator(".st-key-body").get_by_role("link", name="its probability", exact=True).click()
    page.wait_for_url("**/pg/derivations?statement=trajectory")
    expect(page.get_by_role("heading", name=f"{number('trajectory')}. ")).to_be_visible()
    expect(page.locator(".st-key-margin").get_by_test_id("stAlertContentSuccess")).to_be_visible()  # it is checked


@pytest.fixture
def provider() -> Iterator[Provider]:
    provider = Provider({"1": {"name": "Ann"}})
    yield provider
    provider.shutdown()
    provider.server_close()


def test_somebody_logs_in_with_cookies_for_https_only(browser: Browser, provider: Provider, tmp_path: Path) -> None:
    documented = {
        '"..."  #': f'"{secrets.token_hex(32)}"  #',
        '"..."': '"lab"',
        "https://accounts.example.org": provider.url,
    }
    told = LOGIN
    for ours, here in documented.items():
        told = told.replace(ours, here)
    (tmp_path / "secrets.toml").write_text(told)
    with (
        serve(tmp_path, *OPTIONS, "--secrets.files", str(tmp_path / "secrets.toml")) as lab,
        proxy(tmp_path, SITE, lab) as port,
        visiting(browser, port) as context,
    ):
        context.add_cookies([{"name": "person", "value": "1", "url": provider.url}])
        page = context.new_page()
        page.set_default_timeout(PATIENCE_MS)
        answer = page.goto(PUBLIC)
        assert answer.headers["strict-transport-security"] == "max-age=31536000"
        page.get_by_role("button", name="Log in").click()
        expect(page.get_by_role("button", name="Ann")).to_be_visible()
        expect(page.locator(".lab-status")).to_contain_text("ready")  # its address is hers
        cookies = context.cookies(PUBLIC)
        assert {"_streamlit_user", "_streamlit_xsrf"} <= {cookie["name"] for cookie in cookies}
        assert [cookie["name"] for cookie in cookies if not cookie["secure"]] == []
