"""The lab below a prefix, behind the nginx that docs/deployment.md configures: with the prefix kept, and taken off."""

import contextlib
import os
import re
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
from tests.e2e.conftest import Open
from tests.e2e.test_runs import select, upload
from tests.serving import Server, free_port, serve

NGINX = shutil.which("nginx", path=f"{os.environ['PATH']}:/usr/sbin")
SITE, KEPT, STRIPPED = re.findall(r"```nginx\n(.*?)```", (ROOT / "docs" / "deployment.md").read_text(), re.DOTALL)
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


@contextlib.contextmanager
def proxy(folder: Path, site: str) -> Iterator[str]:
    """Run nginx for one site, without its certificate, until it is left; give its origin."""
    port = free_port()
    site = re.sub(r"^    ssl_.*\n", "", site, flags=re.MULTILINE).replace("listen 443 ssl", f"listen 127.0.0.1:{port}")
    folders = "".join(f"{name}_temp_path {name};" for name in FOLDERS)
    (folder / "nginx.conf").write_text(CONFIG.format(folders=folders, site=site))
    command = [str(NGINX), "-p", str(folder), "-c", "nginx.conf", "-e", "nginx.log"]
    subprocess.run(command, check=True)  # it listens when this has ended
    try:
        yield f"http://127.0.0.1:{port}"
    finally:
        subprocess.run([*command, "-s", "stop"], check=True)


@pytest.fixture(scope="module", params=[KEPT, STRIPPED], ids=["kept", "stripped"])
def location(request: pytest.FixtureRequest) -> str:
    """Return nginx's way to the lab; as a parameter of `server`, it would have that of all tests start again."""
    return str(request.param)


@pytest.fixture(scope="module")
def server(location: str, server: Server, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A lab below /pg/, as its visitors reach it."""
    if NGINX is None:
        pytest.skip("nginx is not installed")
    site = re.sub(r"^    location .*\n", "", SITE, flags=re.MULTILINE).replace("\n}", f"\n{location}}}")
    with contextlib.ExitStack() as stack:
        if location == KEPT:
            server = stack.enter_context(serve(tmp_path_factory.mktemp("lab"), base="pg"))
        port = urllib.parse.urlsplit(server.url).port
        origin = stack.enter_context(proxy(tmp_path_factory.mktemp("nginx"), site.replace("8501", str(port))))
        yield Server(f"{origin}/pg", server.data, server.process)


@pytest.fixture
def context(browser: Browser) -> Iterator[BrowserContext]:
    """A browser that asks for nothing outside of the prefix, and is refused nothing."""
    context, wrong = browser.new_context(), []

    def note(response: Response) -> None:
        address = urllib.parse.urlsplit(response.url)
        if response.status >= 400 or (address.scheme == "http" and not address.path.startswith("/pg/")):
            wrong.append(f"{response.status} {response.url}")

    context.on("response", note)
    yield context
    context.close()
    assert wrong == []


def test_a_run_is_trained_exported_and_imported_and_a_proof_is_read(
    open_page: Open, server: Server, store: Store, tmp_path: Path
) -> None:
    page = open_page("?num_updates=3&pace=0")
    page.get_by_role("button", name="Train", exact=True).click()
    expect(page.locator(".lab-status")).to_contain_text("finished")
    expect(page.locator(".lab-returns .js-plotly-plot .scatterlayer .trace").first).to_be_attached()
    expect(page.get_by_text("update 3 · median agent")).to_be_visible()  # the policy is played

    page.get_by_test_id("stTopNavLink").filter(has_text="Runs").click()
    page.wait_for_url("**/pg/runs")
    select(page, 0)
    page.get_by_role("button", name="Export").click()
    with page.expect_download() as download:
        page.get_by_role("button", name="The whole run, to be imported again").click()
    download.value.save_as(tmp_path / "run.zip")
    large = page.request.put(f"{server.url}/_stcore/upload_file/session/file", data=bytes(2**21))
    assert large.status == 403  # by the lab, which knows no such session, where nginx would say 413 by itself
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
