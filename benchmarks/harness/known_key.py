"""The pseudonym key of a bundle, so that the users of a benchmark have a history."""

import os
from pathlib import Path

import numpy as np

from kinoloop.environment import Environment
from kinoloop.privacy.pseudonyms import Pseudonyms
from kinoloop.release.release import Release
from kinoloop.testing.load import user_ids
from kinoloop.testing.service import KEY


def known_key(bundle: Path, users: str) -> str:
    """Find the pseudonym key, of this environment or of the benchmarks, that knows the users.

    Without it every request would have an empty history and measure nothing.

    Args:
        bundle: A release bundle.
        users: Pattern of user ids, as in `kinoloop.testing.load`.

    Raises:
        SystemExit: No key makes half of the users known.
    """
    release = Release.open(bundle)
    file = Environment().state_dir / "pseudonym.key"
    keys = [os.environ.get("KINOLOOP_PSEUDONYM_KEY", ""), KEY]
    keys += [file.read_text(encoding="ascii").strip()] if file.exists() else []
    for key in filter(None, keys):
        names = Pseudonyms(bytes.fromhex(key)).of_all(user_ids(users))
        lengths = [len(release.history_of(name)) for name in names]
        if np.count_nonzero(lengths) >= len(names) / 2:
            print(
                f"{np.count_nonzero(lengths)} users, {np.mean(lengths):.1f} videos each, ", end=""
            )
            print(f"{len(release.catalogue)} videos, {release.info.kind}")
            return key
    raise SystemExit(
        f"{bundle} knows no users like {user_ids(users)[0]!r} under the keys here: give --users a "
        "pattern such as '{}', and KINOLOOP_PSEUDONYM_KEY or KINOLOOP_STATE_DIR of the release"
    )
