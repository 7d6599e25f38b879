"""What happens once in each worker, before the first request."""

import logging
import sys
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kinoloop.environment import Environment
from serving import metrics
from serving.collector import only_when_asked
from serving.config import ServingConfig

if TYPE_CHECKING:
    from kinoloop.release.signature import Trust
    from serving.champion_watcher import ChampionWatcher, Fixed
    from serving.in_service import InService
    from serving.known_tokens import KnownTokens

CLOSED = (
    "closed to everybody but the commands of this installation: it asks for tokens, and none is "
    "valid; "
)
"""How `who_may_ask` begins where nobody may."""

HOUSE = Path(__file__).resolve().parent.parent
"""The folder that the packages are in."""

logger = logging.getLogger(__name__)

SWITCH_S = 0.0005
"""How long a background thread may keep a request waiting; Python's 5 ms are three answers."""


def prepare_process() -> None:
    """One thread of arithmetic a worker, quick changes of thread, and our own log lines."""
    only_when_asked()  # at the start, too, where most is allocated
    import kinoloop.registry.client  # noqa: F401 (a standby worker has imported all it will need)
    import serving.champion_watcher  # noqa: F401 (same)

    one_thread()
    sys.setswitchinterval(SWITCH_S)
    handler = logging.StreamHandler(sys.stdout)
    handler.setFormatter(logging.Formatter("%(message)s"))
    access = logging.getLogger("kinoloop.access")
    access.handlers, access.propagate = [handler], False
    access.setLevel(logging.INFO)
    notes = logging.StreamHandler(sys.stderr)
    notes.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(name)s: %(message)s"))
    for name in ("kinoloop", "serving"):
        log = logging.getLogger(name)
        log.handlers, log.propagate = [notes], False
        log.setLevel(logging.INFO)


def one_thread() -> None:
    """One thread of arithmetic in this process."""
    import torch  # here and not above: the process that only watches the workers needs none
    from threadpoolctl import threadpool_limits

    torch.set_num_threads(1)
    threadpool_limits(limits=1)  # BLAS too, whoever imported it first


def cors(origins: Sequence[str]) -> dict[str, Any]:
    """BentoML's settings under which a browser lets pages of these origins ask and read.

    Without any, they say what may be asked should BentoML's own configuration switch CORS on.
    """
    asked = {
        "access_control_allow_methods": ["GET", "POST", "PUT", "DELETE", "PATCH"],
        "access_control_allow_headers": ["authorization", "content-type"],
        "access_control_expose_headers": ["Retry-After", "WWW-Authenticate"],
    }
    if not origins:
        return asked
    return {**asked, "enabled": True, "access_control_allow_origins": list(origins)}


def known_tokens(environment: Environment, config: ServingConfig) -> "Callable[[], KnownTokens]":
    """Return what opens the tokens, in the process that answers: it makes keys that are missing."""

    def opened() -> "KnownTokens":
        from serving.known_tokens import KnownTokens

        return KnownTokens(environment, required=config.tokens == "required")

    return opened


def say_who_may_ask(environment: Environment, config: ServingConfig) -> None:
    """Log who may ask, one line.

    Raises:
        ConfigError: The tokens are damaged.
    """
    logger.warning("%s", who_may_ask(environment, config))


def who_may_ask(environment: Environment, config: ServingConfig) -> str:
    """Who may ask the service, one line.

    Raises:
        ConfigError: The tokens are damaged.
    """
    from kinoloop.privacy.tokens import are_asked_for, given_tokens, read_tokens, tokens_file

    if config.tokens == "off":
        return "open to whoever reaches it ([serving] tokens is off): a proxy must check who asks"
    path = tokens_file(environment)
    now = datetime.now(UTC)
    kept = [*read_tokens(path), *given_tokens(environment)]
    valid = sum(not token.expired(now) for token in kept)
    if config.tokens == "required" or are_asked_for(environment):
        if valid:
            return f"open to whoever has one of {valid} tokens (kinoloop token list)"
        return CLOSED + _to_open(path, required=config.tokens == "required" or bool(kept))
    return (
        "open to everybody on this machine and to nobody else: there are no tokens (kinoloop "
        "token create NAME --scope recommend makes one; the service asks for it from then on)"
    )


def _to_open(path: Path, *, required: bool) -> str:
    """Say what opens a service again that asks for tokens where no token is valid."""
    made = "kinoloop token create NAME --scope recommend makes one"
    if required or not path.exists():
        return made
    return (
        f"{made}, and {path}, which is empty since the last one was revoked, keeps it closed; "
        "remove that file and start the service again to let everybody on this machine ask"
    )


def packaged_bundle(folder: Path) -> Path | None:
    """Find the release inside a Bento, where it lies beside the packages; None in a repository."""
    bundle = folder / "bundle"
    return bundle if (bundle / "bundle.json").exists() else None


def watch_champion(
    environment: Environment,
    config: ServingConfig,
    key_id: str,
    *,
    prepare: "Callable[[InService], None]" = lambda _: None,
) -> "ChampionWatcher | Fixed":
    """Serve the bundle that the environment names or the Bento holds, else follow the registry.

    Args:
        environment: Where bundle, registry and cache are.
        config: How often to ask.
        key_id: Of the pseudonym key here; histories under another key would find nobody.
        prepare: Is called with each release before it serves.

    Raises:
        BundleError: The bundle that the environment names must not serve.
    """
    from kinoloop.registry.client import ModelRegistry
    from kinoloop.release.signature import load_trust
    from serving.champion_watcher import ChampionWatcher, Fixed

    labels: list[tuple[str, str]] = []

    def taken(current: "InService | None") -> None:
        if current is None:
            metrics.SWAPS.labels("refused").inc()
            return
        prepare(current)
        metrics.SWAPS.labels("taken").inc()
        metrics.READY.set(1)
        metrics.CATALOGUE.set(current.catalogue_number)
        metrics.tell_indexes(current.release.indexes.plans)
        while labels:
            metrics.RELEASE.labels(*labels.pop()).set(0)
        labels.append((current.model_version, current.dataset_version))
        metrics.RELEASE.labels(*labels[0]).set(1)
        theirs = current.release.info.key_id
        if theirs and theirs != key_id:
            logger.error(
                "histories in version %s are under pseudonym key %s, the key here is %s: every "
                "user starts over. Set KINOLOOP_PSEUDONYM_KEY to the key of the data",
                current.model_version,
                theirs,
                key_id,
            )

    def trust() -> "Trust":
        return load_trust(environment, beside=HOUSE)

    trust()  # a key that is none must not wait for the first champion
    bundle = environment.bundle or packaged_bundle(HOUSE)
    if bundle is not None:
        fixed = Fixed(bundle, trust())
        taken(fixed.current)
        return fixed

    watcher = ChampionWatcher(
        lambda: ModelRegistry(environment.tracking_uri),
        environment.releases,
        trust=trust,
        poll_s=config.poll_s,
        patience_s=config.start_s,
        swapped=taken,
    )
    watcher.start()
    return watcher


def open_champion(environment: Environment) -> "InService":
    """Open and check the champion's release here: for a process that serves nobody else.

    What operators said of a video holds here as in the service.

    Raises:
        RegistryError: Nothing was promoted yet, or the registry is away.
        BundleError: The release is damaged.
    """
    from serving.state import open_state
    from serving.takedowns import overrule

    current = _champion(environment)
    live = environment.state_dir / "serving" / "live.db"
    if environment.state_url is not None or live.exists():
        state = open_state(environment)
        overrule(current, state.availability())
        state.shut()
    return current


def _champion(environment: Environment) -> "InService":
    from kinoloop.errors import RegistryError
    from kinoloop.registry.catalogues import fetch_catalogue
    from kinoloop.registry.client import ModelRegistry
    from kinoloop.release.signature import load_trust
    from serving.in_service import load

    if environment.bundle is not None:
        return load(environment.bundle, load_trust(environment))
    registry = ModelRegistry(environment.tracking_uri)
    champion = registry.champion()
    if champion is None:
        raise RegistryError(
            "no release has been promoted yet; run `kinoloop retrain`, then `kinoloop promote`"
        )
    trust = load_trust(environment)
    bundle = fetch_catalogue(registry, champion, environment.releases, trust=trust)
    return load(bundle, trust, model_version=champion.version, run_id=champion.run_id)
