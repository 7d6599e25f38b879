"""What `kinoloop doctor` looks at in the project: ports, settings, keys, stores, remotes.

Heavy libraries are imported inside the check that needs them.
"""

import configparser
import contextlib
import os
import stat
from collections.abc import Iterator
from pathlib import Path

import httpx
import psutil

from kinoloop.cli.backends import LOGS, base_variables, find_up, prefect_url
from kinoloop.cli.finding import Finding, State, existing
from kinoloop.cli.own_service import check_binding, service
from kinoloop.cli.servers import Server, check_port
from kinoloop.cli.stack import mlflow_server, prefect_server
from kinoloop.environment import Environment
from kinoloop.errors import ConfigError
from kinoloop.ownership import Owner, environments
from kinoloop.redaction import shown_address, without_credentials
from serving.startup import CLOSED


def ports(environment: Environment) -> Iterator[Finding]:
    """Ports are free, or held by our own servers."""
    if find_up(environment):
        yield Finding("Ports", State.OK, f"kinoloop is up, Prefect at {prefect_url(environment)}")
        return
    for make in (service, mlflow_server, prefect_server):
        try:
            server = make(environment)
        except ConfigError:
            continue  # `strangers` says why
        name = f"Port {server.port}"
        try:
            check_port(server)
        except ConfigError:
            if _is_own(server, environment):
                seen = f"in use by this installation's {server.name}"
                yield Finding(name, State.OK, seen)
                continue
            fix = f"stop what listens there, or `export {server.port_setting}=…`"
            yield Finding(name, State.BROKEN, f"in use; {server.name} needs it", fix)
        else:
            yield Finding(name, State.OK, f"free for {server.name}")


def _is_own(server: Server, environment: Environment) -> bool:
    """Whether a process that was started on this state folder listens on a server's port."""
    home = base_variables(environment)["BENTOML_HOME"]  # of `serve`; servers of `up` have an owner
    logs = str((environment.state_dir / LOGS).resolve())
    for process, variables in environments():
        owner = Owner.of(variables)
        if variables.get("BENTOML_HOME") == home or (owner is not None and owner.place == logs):
            with contextlib.suppress(psutil.Error):
                for one in process.net_connections(kind="inet"):
                    if one.status == psutil.CONN_LISTEN and one.laddr.port == server.port:
                        return True
    return False


def strangers(environment: Environment) -> Iterator[Finding]:
    """Check that whoever can reach the service is somebody who may ask it."""
    try:
        who = check_binding(environment)
    except ConfigError as err:
        yield Finding("Who may ask", State.BROKEN, str(err), "`kinoloop token --help`")
    else:
        state = State.WARNING if who.startswith(CLOSED) else State.OK
        yield Finding("Who may ask", state, f"the service is {who}")


def versioning(environment: Environment) -> Iterator[Finding]:
    """Check that the default DVC remote is there and can be reached, and that there is data."""
    config = configparser.ConfigParser()
    folder = Path(".dvc")
    config.read([folder / "config", folder / "config.local"], encoding="utf-8")
    remote = config.get("core", "remote", fallback="")
    url = config.get(f"'remote \"{remote}\"'", "url", fallback="")
    if not url:
        fix = "`dvc remote add --default NAME URL`, or run from the checkout"
        yield Finding("DVC remote", State.WARNING, "there is none", fix)
    elif "://" in url:
        yield _reachable(url, remote)
    else:
        path = (folder / url).resolve()
        fix = "" if path.is_dir() else f"restore it with git, or `dvc remote modify {remote} url …`"
        state = State.OK if path.is_dir() else State.BROKEN
        yield Finding("DVC remote", state, f"{remote}: {path}", fix)
    if not environment.data_dir.exists():
        yield Finding("Data", State.WARNING, f"no {environment.data_dir}", "`dvc pull`")


def pseudonym_key(environment: Environment) -> Iterator[Finding]:
    """Check that the key is a key, and readable by its owner only."""
    from kinoloop.privacy.pseudonyms import load_pseudonyms

    path = environment.state_dir / "pseudonym.key"
    if environment.pseudonym_key is None and not path.exists():
        yield Finding("Pseudonym key", State.OK, f"none yet; ingest makes one in {path}")
        return
    if environment.pseudonym_key is None and stat.S_IMODE(path.stat().st_mode) & 0o077:
        mode = f"{path} has mode {stat.S_IMODE(path.stat().st_mode):04o}: others can read it"
        yield Finding("Pseudonym key", State.BROKEN, mode, f"`chmod 600 {path}`")
        return
    try:
        key = load_pseudonyms(environment)
    except ConfigError as err:
        fix = "restore the key from your backup; a new one would split every user in two"
        yield Finding("Pseudonym key", State.BROKEN, str(err), fix)
    else:
        yield Finding("Pseudonym key", State.OK, f"id {key.key_id}")


def registry(environment: Environment) -> Iterator[Finding]:
    """Check that the model registry answers, or can be made."""
    uri = environment.tracking_uri
    if uri.startswith(("http://", "https://")):
        try:
            answer = httpx.get(f"{uri}/health", timeout=5.0)
            good, seen = answer.is_success, f"{uri} answers {answer.status_code}"
        except httpx.HTTPError as err:
            good, seen = False, f"{uri} does not answer: {err}"
    else:
        folder = existing(environment.state_dir)
        good = os.access(folder, os.W_OK)
        seen = uri if good else f"{folder} is not writable"
    fix = "" if good else "start it (`kinoloop up`), or set KINOLOOP_MLFLOW_URI"
    level = State.OK if good else State.BROKEN
    yield Finding("Model registry", level, without_credentials(seen), fix)


def landing(environment: Environment) -> Iterator[Finding]:
    """Check that the landing zone can be written to: feedback goes there."""
    import fsspec

    fix = "make it writable, or name another: KINOLOOP_LANDING"
    try:
        files, root = fsspec.core.url_to_fs(environment.landing)
        probe = f"{root}/.doctor-{os.getpid()}"
        files.makedirs(root, exist_ok=True)
        files.pipe_file(probe, b"")
        files.rm_file(probe)
    except (OSError, ImportError, ValueError) as err:
        seen = without_credentials(f"{environment.landing}: {err}")
        yield Finding("Landing zone", State.BROKEN, seen, fix)
    else:
        seen = without_credentials(f"{environment.landing} is writable")
        yield Finding("Landing zone", State.OK, seen)


def live_state(environment: Environment) -> Iterator[Finding]:
    """Check that a live state elsewhere answers, and keeps what it acknowledges."""
    if environment.state_url is None:
        return
    from kinoloop.errors import StateError
    from serving.state import open_state

    if environment.pseudonym_key is None and not (environment.state_dir / "pseudonym.key").exists():
        seen = "it is shared, and the pseudonym key of those who share it is not here"
        yield Finding("Live state", State.BROKEN, seen, "set KINOLOOP_PSEUDONYM_KEY to theirs")
        return
    fix = "start it, or correct KINOLOOP_STATE_URL"
    try:
        state = open_state(environment)
        doubts = state.not_promised()
        state.shut()
    except (ConfigError, StateError) as err:
        yield Finding("Live state", State.BROKEN, without_credentials(str(err)), fix)
        return
    for doubt in doubts:
        yield Finding("Live state", State.WARNING, doubt, "docs/guides/several-machines.md")
    address = shown_address(environment.state_url.get_secret_value())
    yield Finding("Live state", State.OK, f"{address} answers")


def _reachable(url: str, remote: str) -> Finding:
    import fsspec

    try:
        files, root = fsspec.core.url_to_fs(url)
        files.exists(root)
    except (OSError, ImportError, ValueError) as err:
        fix = f"check address and credentials: `dvc remote modify {remote} …`"
        seen = without_credentials(f"{remote}: {url}: {err}")
        return Finding("DVC remote", State.BROKEN, seen, fix)
    return Finding("DVC remote", State.OK, without_credentials(f"{remote}: {url}"))
