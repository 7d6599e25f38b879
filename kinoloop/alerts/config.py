"""Settings of alerts: section `alerts` of `kinoloop.toml`."""

from urllib.parse import urlsplit

from pydantic import Field, field_validator, model_validator

from kinoloop.media.access import AccessConfig
from kinoloop.privacy.addresses import redact
from kinoloop.settings import Config


class AlertRule(Config):
    """What raises an alert, and who is told."""

    label: str = Field(min_length=1, description='Such as "dog", or "topic: weather".')
    min_probability: float = Field(default=0.5, ge=0, le=1, description="Least probability.")
    webhook: str = Field(default="", description="http(s) address that gets a POST with JSON.")
    event: bool = Field(default=False, description="Whether to emit a Prefect event.")

    @field_validator("webhook")
    @classmethod
    def _check_webhook(cls, webhook: str) -> str:
        parts = urlsplit(webhook)
        named = parts.scheme in {"http", "https"} and parts.hostname and "@" not in parts.netloc
        if webhook and not named:
            shown = redact(webhook)
            raise ValueError(f"{shown!r} is not an http(s) address without user and password")
        return webhook

    @model_validator(mode="after")
    def _tells_somebody(self) -> "AlertRule":
        if not (self.webhook or self.event):
            raise ValueError(f"alert on {self.label!r} tells nobody: set webhook or event = true")
        return self

    def matches(self, facet: str, label: str, probability: float) -> bool:
        """Whether a label of some probability raises this alert; case does not count."""
        named = self.label.lower() in {label.lower(), f"{facet}: {label}".lower()}
        return named and probability >= self.min_probability


class AlertsConfig(Config):
    """Alerts on what happens in videos."""

    rules: tuple[AlertRule, ...] = Field(default=(), description="What raises an alert.")
    networks: tuple[str, ...] = Field(
        default=(),
        description="Addresses of webhooks that are not public and yet allowed: 10.1.0.0/16.",
    )
    timeout_s: float = Field(default=10.0, gt=0, le=120, description="How long a webhook may take.")
    tries: int = Field(default=5, ge=1, description="Runs that try an alert before it is given up.")
    per_run: int = Field(default=1000, ge=1, description="Alerts sent in one run at most.")

    @field_validator("networks")
    @classmethod
    def _check_networks(cls, networks: tuple[str, ...]) -> tuple[str, ...]:
        AccessConfig(networks=networks)
        return networks

    def access(self, webhook: str) -> AccessConfig:
        """Say what may be reached: the host that a rule names, where its address is allowed."""
        return AccessConfig(
            hosts=(urlsplit(webhook).netloc,), networks=self.networks, stall_s=self.timeout_s
        )
