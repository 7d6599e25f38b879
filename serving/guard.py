"""The guard: who carries a token that opens a route, and whether they ask too often.

Without tokens the service is open to this machine only: connections that came in at another address
than loopback are refused, however it was started. What operators change asks for a token, or for
the operator's key, on this machine too. What a client sent as a token is in no answer and no log.
"""

from collections.abc import Callable
from datetime import UTC, datetime
from functools import cached_property
from typing import Any, Final

from starlette.types import Scope

from kinoloop.privacy.tokens import Token
from serving import metrics
from serving.config import ServingConfig
from serving.known_tokens import KnownTokens
from serving.messages import id_text
from serving.origin import is_loopback
from serving.problems import Problem, wrong_method
from serving.rates import Rates
from serving.scopes import ANYBODY, methods_of, scope_of, scopes_of

_BEARER: Final = b"bearer "
_REALM: Final = 'Bearer realm="kinoloop"'
_READING: Final = frozenset({"GET", "HEAD"})
_CREATE: Final = "`kinoloop token create NAME --scope {scope}` makes one"


class Guard:
    """Lets a request pass, or raises what to answer.

    Args:
        tokens: Opens those that are known, in the process that answers.
        config: Whether they are asked for, and how often one may ask.
        clock: UTC; tokens expire by it.
    """

    def __init__(
        self,
        tokens: Callable[[], KnownTokens],
        config: ServingConfig,
        *,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._open, self._clock, self._asks = tokens, clock, config.tokens
        self._of_token = Rates(config.token_rate, config.token_burst)
        self._of_user = Rates(config.user_rate, config.user_burst)

    @cached_property
    def tokens(self) -> KnownTokens:
        """Those that are known."""
        return self._open()

    @property
    def asks_for_tokens(self) -> bool:
        """Whether users need a token."""
        if self._asks == "auto":
            self.tokens.look()
        return self._asks == "required" or (self._asks == "auto" and self.tokens.asked_for)

    @property
    def lets_read(self) -> bool:
        """Whether operators look without a key: where this machine alone is answered."""
        return self._asks == "auto" and not self.asks_for_tokens

    def check(self, scope: Scope) -> None:
        """Raise unless whoever sends a request may.

        Raises:
            Problem: 401 no token, 403 one that does not open this, 404, 405, 429 too often.
        """
        wanted = scope_of(scope["method"], scope["path"])
        if wanted == ANYBODY:
            return
        known = scopes_of(scope["path"])
        if wanted is None and ANYBODY in known.values():
            raise wrong_method(scope, methods_of(scope["path"]))
        if not self.asks_for_tokens:
            self._check_address(scope)
            if wanted != "admin" or (scope["method"] in _READING and self.lets_read):
                return
        token = self._token_of(scope, wanted)
        if wanted not in token.scopes and not (wanted is None and "admin" in token.scopes):
            raise _not_opened(scope, wanted)
        self._charge(self._of_token, token.name, "token_rate", "this token")

    def check_user(self, body: Any) -> None:  # noqa: ANN401 (one of several bodies)
        """Raise where the one user that a request is about asks too often.

        A `/feedback` about several users is that of a program, which its token bounds; the users of
        a batch are charged one by one, as they are answered.

        Raises:
            Problem: 429.
        """
        user = _user_of(body)
        if user is not None:
            self.charge_user(user)

    def charge_user(self, user: str) -> None:
        """Count a request about a user; of a batch each is one.

        Raises:
            Problem: 429, there are too many.
        """
        self._charge(self._of_user, user, "user_rate", "this user")

    def _check_address(self, scope: Scope) -> None:
        if self._asks == "off" or is_loopback(str((scope.get("server") or ("",))[0])):
            return
        raise _counted(
            "no_tokens_here",
            Problem(
                "tokens_needed",
                "without tokens the service answers only on its own machine",
                expected="a connection to a loopback address",
                next_step=f"{_CREATE.format(scope='recommend')}, and the service asks for it from "
                'then on; [serving] tokens = "off" where a proxy in front checks who asks',
            ),
        )

    def _token_of(self, scope: Scope, wanted: str | None) -> Token:
        given = [value for name, value in scope["headers"] if name == b"authorization"]
        if not given and wanted == "admin" and not self.asks_for_tokens:
            raise _not_an_operator("none")
        if not given:
            raise _counted(
                "no_token",
                Problem(
                    "no_token",
                    "the request carries no token",
                    expected="Authorization: Bearer <token>",
                    next_step=f"send a token; {_CREATE.format(scope=wanted or 'recommend')}",
                    headers={"WWW-Authenticate": _REALM},
                ),
            )
        bearer = len(given) == 1 and given[0][: len(_BEARER)].lower() == _BEARER
        token = self.tokens.find(given[0][len(_BEARER) :].strip()) if bearer else None
        if token is not None and not token.expired(self._clock()):
            return token
        if wanted == "admin" and not self.asks_for_tokens:
            raise _not_an_operator("another Authorization header")
        raise _counted(
            "expired_token" if token else "unknown_token",
            Problem(
                "bad_token",
                "the token has expired" if token else "the token is unknown",
                expected="one Authorization header, `Bearer` and a token that was not revoked",
                next_step=f"ask for another token; {_CREATE.format(scope=wanted or 'recommend')}",
                headers={"WWW-Authenticate": f'{_REALM}, error="invalid_token"'},
            ),
        )

    @staticmethod
    def _charge(rates: Rates, name: str, reason: str, who: str) -> None:
        if wait_s := rates.take(name):
            raise _counted(
                reason,
                Problem(
                    "too_often",
                    f"{who} asks too often",
                    expected=f"what [serving] {reason} allows",
                    next_step="try again after the seconds that Retry-After says",
                    headers={"Retry-After": str(wait_s)},
                ),
            )


def _user_of(body: Any) -> str | None:  # noqa: ANN401 (one of several bodies)
    """Return the user that all of a request is about; None where there is none, or several."""
    if (user := getattr(body, "user_id", None)) is not None:
        return str(user)
    events = getattr(body, "events", None) or ()
    users = {str(id_text(event.get("user_id"))) for event in events if isinstance(event, dict)}
    return users.pop() if len(users) == 1 else None


def _not_opened(scope: Scope, wanted: str | None) -> Problem:
    """Say what a valid token met that it does not open."""
    known = scopes_of(scope["path"])
    if wanted is not None:
        challenge = f'{_REALM}, error="insufficient_scope", scope="{wanted}"'
        return _counted(
            "wrong_scope",
            Problem(
                "wrong_scope",
                "the token does not open this",
                expected=f"a token of scope {wanted}",
                next_step=_CREATE.format(scope=wanted),
                headers={"WWW-Authenticate": challenge},
            ),
        )
    if known:
        return wrong_method(scope, methods_of(scope["path"]))
    return Problem(
        "unknown_path",
        "there is nothing at this path",
        got=scope["path"],
        expected="a path that /docs lists",
        next_step="see /docs",
    )


def _not_an_operator(got: str) -> Problem:
    return _counted(
        "not_an_operator",
        Problem(
            "not_an_operator",
            "only an operator may do this",
            got=got,
            expected="Authorization: Bearer <operator key>",
            next_step="send the key in operator.key of the state folder, that of "
            "KINOLOOP_OPERATOR_KEY, or a token of scope admin",
            headers={"WWW-Authenticate": _REALM},
        ),
    )


def _counted(reason: str, problem: Problem) -> Problem:
    """Count a refusal."""
    metrics.REFUSED.labels(reason).inc()
    return problem
