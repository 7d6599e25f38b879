"""Settings of the service: section `[serving]` of `kinoloop.toml`."""

from typing import Literal, Self
from urllib.parse import urlsplit

from pydantic import Field, field_validator, model_validator

from kinoloop.settings import Config


class ServingConfig(Config):
    """How the service runs, remembers and forgets."""

    workers: int = Field(1, ge=1, le=64, description="Processes; each holds its own release.")
    poll_s: float = Field(
        5.0, gt=0, description="How often a worker asks the registry for the champion, seconds."
    )
    start_s: float = Field(
        10.0,
        gt=0,
        description="A start waits this long for the champion, then recalls what served last, s.",
    )
    budget_ms: float = Field(
        0.0,
        ge=0,
        description="A slate that would take longer with re-ranking goes without and says so, ms; "
        "0: every slate is re-ranked.",
    )
    history_length: int = Field(
        200, ge=1, le=10_000, description="Newest videos of a user that a request counts."
    )
    live_days: float = Field(
        30.0, gt=0, description="Live events older than this are forgotten; ingest has them."
    )
    lineage_days: float = Field(
        30.0, gt=0, description="Answers older than this can no longer be looked up, days."
    )
    lineage_mb: int = Field(
        512, ge=1, description="Bound on the lineage files; the oldest go first, megabytes."
    )
    export_s: float = Field(
        10.0, gt=0, description="How often feedback moves on to the landing zone, seconds."
    )
    export_rows: int = Field(
        20_000, ge=1, le=1_000_000, description="Feedback events in one landing file at most."
    )
    impressions: bool = Field(
        default=True, description="Whether what was shown is recorded for the landing zone."
    )
    impressions_s: float = Field(
        60.0, gt=0, description="How often it moves on to the landing zone, seconds."
    )
    impressions_rows: int = Field(
        200_000, ge=1, le=10_000_000, description="Places in one landing file, about."
    )
    impressions_queue: int = Field(
        10_000,
        ge=1,
        description="Answers that a worker keeps for a second; more are lost.",
    )
    impressions_mb: int = Field(
        512, ge=1, description="Bound on what waits on disk; more is counted as lost, megabytes."
    )
    max_body_kb: int = Field(
        1024, ge=1, description="A larger request body is refused with 413, kilobytes."
    )
    hosts: tuple[str, ...] = Field(
        (),
        description="Names that the service answers to besides localhost and the address it "
        "listens at; `*.example.org` and `*` are taken.",
    )
    origins: tuple[str, ...] = Field(
        (),
        description="Origins whose pages may ask besides the service's own, such as "
        "https://app.example; CORS is set up for them.",
    )
    tls_certificate: str = Field(
        "",
        description="File with the certificate and those between it and the root, PEM; with it "
        "the service speaks HTTPS and nothing else.",
    )
    tls_key: str = Field("", description="File with the private key of the certificate, PEM.")
    tokens: Literal["auto", "required", "off"] = Field(
        "auto",
        description='Who needs a token: "auto" everybody once there are tokens, and without any '
        'only this machine is answered; "required" everybody; "off" nobody, a proxy checks.',
    )
    token_rate: float = Field(
        0.0, ge=0, description="Requests per second of a token in a worker; 0: as many as it likes."
    )
    token_burst: int = Field(
        100, ge=1, description="Requests that a token may save up and send at once."
    )
    user_rate: float = Field(
        0.0, ge=0, description="Requests per second about one user in a worker; 0: any number."
    )
    user_burst: int = Field(20, ge=1, description="Requests about one user at once.")
    max_queue: int = Field(
        64, ge=1, description="Requests that may wait in a worker; one more is refused with 429."
    )
    max_queue_overloaded: int = Field(
        2, ge=1, description="The same while far more arrive than are finished."
    )
    max_connections: int = Field(
        1000,
        ge=8,
        description="Open connections of a worker; beyond it idle ones are closed, oldest first.",
    )
    header_s: float = Field(
        10.0,
        gt=0,
        description="A client that has not sent its headers by then is cut off, seconds.",
    )
    body_s: float = Field(
        10.0, gt=0, lt=15, description="How long the body of a request may take to arrive, seconds."
    )
    spare_workers: int = Field(
        1, ge=0, le=8, description="Idle processes that take over at once from a worker that dies."
    )
    upload_mb: int = Field(
        512, ge=1, description="Largest clip that an operator may send, megabytes."
    )
    max_events: int = Field(1000, ge=1, description="Events in one feedback request at most.")
    clock_skew_s: float = Field(
        300.0, ge=0, description="How far ahead a client's clock may run, seconds."
    )
    access_log_share: float = Field(
        0.01, ge=0, le=1, description="Share of good requests in the access log; errors always."
    )
    drain_s: float = Field(
        6.0, ge=0, description="How long a busy service goes on answering after SIGTERM, seconds."
    )
    example_users: tuple[str, ...] = Field(
        ("user-0001", "user-0002", "user-0003"),
        description="Users that the page offers to watch as; those of the sample data.",
    )

    @model_validator(mode="after")
    def _both_or_none(self) -> Self:
        if bool(self.tls_certificate) != bool(self.tls_key):
            raise ValueError("tls_certificate and tls_key go together: set both or none")
        return self

    @field_validator("origins")
    @classmethod
    def _origin_as_browsers_send_it(cls, origins: tuple[str, ...]) -> tuple[str, ...]:
        """Write origins as browsers do; one that is none would admit nobody, without a word."""
        written = tuple(origin.lower().rstrip("/") for origin in origins)
        for origin in written:
            scheme, host = urlsplit(origin)[:2]
            known = scheme in {"http", "https"} and host
            if origin != "*" and not (known and origin == f"{scheme}://{host}"):
                raise ValueError(
                    f"{origin!r} is no origin; expected scheme, host and port where it is not the "
                    "usual one, such as https://app.example"
                )
        return written
