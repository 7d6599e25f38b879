"""A page that the operator opens by chance, against the real servers of `kinoloop up`."""

import base64
import json
import os
import subprocess
import sys

import httpx
import pytest
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.sync.client import connect

from kinoloop.cli.access import load_token

pytestmark = [pytest.mark.slow, pytest.mark.e2e]

EVIL = "http://evil.example"
RUN = {"name": "x", "entrypoint": "os.system"}
PREFLIGHT = {
    "access-control-request-method": "POST",
    "access-control-request-headers": "authorization,content-type",
}


@pytest.fixture
def prefect(guarded):
    return f"http://127.0.0.1:{guarded.prefect_port}"


@pytest.fixture
def mlflow(guarded):
    return f"http://127.0.0.1:{guarded.mlflow_port}"


@pytest.fixture
def token(guarded):
    secret = base64.b64encode(load_token(guarded).encode()).decode()
    return {"authorization": f"Basic {secret}"}


def _is_closed_to(answer, origin):
    return answer.headers.get("access-control-allow-origin") not in ("*", origin)


@pytest.mark.parametrize("origin", [EVIL, "null", "http://127.0.0.1:1", "http://localhost.evil"])
def test_prefect_lets_no_foreign_page_in_even_with_the_token(prefect, token, origin):
    url = f"{prefect}/api/deployments/filter"
    preflight = httpx.options(url, headers={"origin": origin, **PREFLIGHT})
    assert preflight.status_code == 403
    assert _is_closed_to(preflight, origin)
    simple = httpx.post(
        url, content="{}", headers={"origin": origin, "content-type": "text/plain", **token}
    )
    assert simple.status_code == 403
    assert _is_closed_to(simple, origin)


@pytest.mark.parametrize("path", ["work_pools/", "flows/", "deployments/", "admin/database/clear"])
def test_prefect_takes_nothing_without_the_token(prefect, path):
    for headers in ({}, {"authorization": "Basic eDp5"}, {"authorization": "Bearer x"}):
        answer = httpx.post(f"{prefect}/api/{path}", json=RUN, headers=headers)
        assert answer.status_code in {401, 403}
    assert httpx.get(f"{prefect}/api/admin/settings").status_code == 401
    assert httpx.get(f"{prefect}/api/csrf-token?client=x").status_code == 401


def test_prefect_takes_no_change_without_the_csrf_token(prefect, token):
    answer = httpx.post(f"{prefect}/api/flows/", json={"name": "x"}, headers=token)
    assert answer.status_code == 403
    assert "CSRF" in answer.text


def test_prefect_is_not_reached_under_another_name(prefect, token, guarded):
    headers = {"host": f"evil.example:{guarded.prefect_port}", **token}
    for path in ("/", "/ui-settings", "/api/health", "/api/flows/count"):
        assert httpx.get(prefect + path, headers=headers).status_code == 403


@pytest.mark.parametrize("path", ["/api/events/in", "/api/events/out", "/api/logs/out"])
def test_prefect_opens_no_websocket_to_strangers(prefect, path):
    url = prefect.replace("http", "ws") + path
    with pytest.raises(InvalidStatus, match="403"):
        connect(url, origin=EVIL, subprotocols=["prefect"])
    with connect(url, subprotocols=["prefect"]) as socket:
        socket.send(json.dumps({"type": "auth", "token": "kinoloop:guess"}))
        with pytest.raises(ConnectionClosed):
            socket.recv(timeout=600)


def test_prefect_works_for_who_has_the_token(prefect, prefect_client):
    flow = prefect_client.create_flow_from_name("ours")
    assert prefect_client.read_flow(flow).name == "ours"
    page = httpx.get(f"{prefect}/ui-settings", headers={"origin": prefect})
    assert page.json()["api_url"] == "/api"  # works under every name of ours
    assert page.json()["auth"] == "BASIC"
    assert page.json()["csrf_enabled"]


@pytest.mark.parametrize("path", ["/api/2.0/mlflow", "/ajax-api/2.0/mlflow"])
def test_mlflow_lets_no_foreign_page_in(mlflow, path):
    url = f"{mlflow}{path}/experiments/create"
    preflight = httpx.options(url, headers={"origin": EVIL, **PREFLIGHT})
    assert _is_closed_to(preflight, EVIL)
    for kind in ("text/plain", "application/json"):
        simple = httpx.post(
            url, content='{"name": "evil"}', headers={"origin": EVIL, "content-type": kind}
        )
        assert simple.status_code == 403
        assert _is_closed_to(simple, EVIL)


def test_mlflow_is_not_reached_under_another_name(mlflow, guarded):
    for host in (f"evil.example:{guarded.mlflow_port}", "10.1.2.3", "127.0.0.1.evil.example"):
        answer = httpx.get(mlflow, headers={"host": host})
        assert answer.status_code == 403


def test_mlflow_works_for_its_own_page_and_for_programs(mlflow, guarded):
    url = f"{mlflow}/api/2.0/mlflow/experiments/create"
    own = {"host": f"localhost:{guarded.mlflow_port}"}
    own["origin"] = f"http://{own['host']}"
    assert httpx.post(url, json={"name": "program"}).status_code == 200
    assert httpx.post(url, json={"name": "page"}, headers=own).status_code == 200


ONE_FLOW = """
from kinoloop.cli.backends import connect
connect()
import httpx
from prefect import flow
from prefect.client.orchestration import get_client

@flow
def ask():
    with get_client(sync_client=True) as client:
        url = str(client.api_url)
        assert client.read_flows()
    evil = {"origin": "http://evil.example"}
    answers = [
        httpx.post(f"{url}/flows/filter", json={}),
        httpx.post(f"{url}/flows/", content="{}", headers=evil),
        httpx.get(f"{url}/admin/settings", headers=evil),
    ]
    assert "access-control-allow-origin" not in httpx.options(
        f"{url}/flows/", headers=evil | {"access-control-request-method": "POST"}
    ).headers
    print("ANSWERS", [answer.status_code for answer in answers])

ask()
"""


def test_the_server_of_a_single_flow_is_closed_too(tmp_path):
    variables = {k: v for k, v in os.environ.items() if not k.startswith("PREFECT_")}
    done = subprocess.run(
        [sys.executable, "-c", ONE_FLOW],
        env=variables | {"KINOLOOP_STATE_DIR": str(tmp_path / "state")},
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert "ANSWERS [403, 403, 401]" in done.stdout, done.stdout + done.stderr
