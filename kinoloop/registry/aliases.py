"""Moving `champion` and `previous`: promotion and its undoing, always under the alias lock.

Aliases move one after the other; a crash in between leaves the champion as it was, or moved, and
never absent.
"""

from kinoloop.errors import RegistryError
from kinoloop.registry.client import ModelRegistry
from kinoloop.registry.model_version import ModelVersion


def promote(registry: ModelRegistry, version: str) -> ModelVersion | None:
    """Make a version the champion and keep the old one as `previous`.

    Call it inside `registry.moving_aliases`.

    Returns:
        The champion that was replaced, if any.

    Raises:
        RegistryError: MLflow is away or refuses, or reads back another value.
    """
    old = registry.champion()
    if old is not None and old.version != version:
        registry.set_alias("previous", old.version)
    registry.set_alias("champion", version)
    challenger = registry.by_alias("challenger")
    if challenger is not None and challenger.version == version:
        registry.drop_alias("challenger")
    return old


def to_restore(registry: ModelRegistry) -> tuple[ModelVersion, ModelVersion]:
    """Return the champion and the release that a rollback would restore.

    Raises:
        RegistryError: There is nothing to go back to.
    """
    champion, previous = registry.champion(), registry.by_alias("previous")
    if champion is None or previous is None or previous.version == champion.version:
        raise RegistryError(
            "nothing to roll back to: no release was champion before the one in service "
            f"(champion: {champion and champion.version}, "
            f"previous: {previous and previous.version})"
        )
    return champion, previous


def roll_back(registry: ModelRegistry) -> ModelVersion:
    """Swap `champion` and `previous`; a second rollback undoes the first.

    Call it inside `registry.moving_aliases`.

    Returns:
        The champion that is restored.

    Raises:
        RegistryError: There is nothing to go back to, or MLflow is away or refuses.
    """
    champion, previous = to_restore(registry)
    registry.set_alias("champion", previous.version)
    registry.set_alias("previous", champion.version)
    return previous
