"""Facts of the environment: where things are, under which key; tuning is `kinoloop.toml`.

Each is overridable by a variable, `KINOLOOP_DATA_DIR` for `data_dir` and so on.
"""

import os
from pathlib import Path
from typing import Any

from pydantic import Field, SecretStr, ValidationError
from pydantic_settings import BaseSettings, SettingsConfigDict

from kinoloop.errors import ConfigError


class Environment(BaseSettings):
    """Paths, addresses and keys, read from `KINOLOOP_…` variables."""

    model_config = SettingsConfigDict(env_prefix="KINOLOOP_", frozen=True)

    def __init__(self, **values: Any) -> None:  # noqa: ANN401 (as pydantic-settings has it)
        """Read the variables.

        Raises:
            ConfigError: One has a value that it cannot have.
        """
        try:
            super().__init__(**values)
        except ValidationError as err:
            first = err.errors(include_input=False)[0]  # it may be a key
            name = "_".join(["KINOLOOP", *(str(part).upper() for part in first["loc"])])
            raise ConfigError(f"{name}: {first['msg']}") from None

    settings_file: Path = Field(Path("kinoloop.toml"), description="Tuning, see that file.")
    data_dir: Path = Field(Path("data"), description="Delta tables; the directory data.dvc pins.")
    datasets: Path | None = Field(
        None, description="Folder of public data sets, for `kl.load_movielens` and the like."
    )
    landing: str = Field("landing", description="Folder or fsspec URL where raw input arrives.")
    state_dir: Path = Field(Path(".kinoloop"), description="Local state: keys, caches, logs.")
    pseudonym_key: SecretStr | None = Field(None, description="Key of the user pseudonyms (hex).")
    signing_key: SecretStr | None = Field(None, description="Key that signs releases here (hex).")
    operator_key: SecretStr | None = Field(
        None, description="Key that operators' requests to the service carry (hex)."
    )
    token: SecretStr | None = Field(
        None, description="Token that commands here send to a service elsewhere."
    )
    tokens: str = Field(
        "", repr=False, description="Tokens of the service, hashed, `;` between them."
    )
    tokens_file: Path | None = Field(
        None, description="File with the tokens of the service; None: `tokens` in the state folder."
    )
    trusted_keys: str = Field("", description="Public keys whose releases are taken, commas.")
    dvc_push_remote: str | None = Field(None, description="DVC remote that ingest pushes to.")
    host: str = Field("127.0.0.1", description="Address that the service binds to.")
    mlflow_host: str = Field(
        "127.0.0.1", description="Address that our MLflow server binds to; it asks for no token."
    )
    prefect_host: str = Field("127.0.0.1", description="Address that our Prefect server binds to.")
    allowed_hosts: str = Field(
        "", description="Other names that the servers are reached by, comma-separated."
    )
    service_port: int = Field(3000, description="Port of the BentoML service.")
    mlflow_port: int = Field(5000, description="Port of the MLflow server.")
    prefect_port: int = Field(4200, description="Port of the Prefect server.")
    mlflow_uri: str | None = Field(
        None, repr=False, description="MLflow tracking URI; None: SQLite in state."
    )
    state_url: SecretStr | None = Field(
        None,
        description="Live state of the service: redis://host:6379/0 for several machines; None: "
        "SQLite in state.",
    )
    ray_address: str | None = Field(None, description="Of a Ray cluster; None: one of its own.")
    bundle: Path | None = Field(None, description="Bundle to serve instead of the champion.")

    def private_state(self) -> Path:
        """Return the state folder; make it where it is missing, open to its owner only (mode 0700).

        It holds keys, raw user ids of feedback, and what the servers of this machine keep.
        """
        self.state_dir.mkdir(parents=True, exist_ok=True)
        found = self.state_dir.stat()
        if found.st_mode & 0o077 and found.st_uid == os.geteuid():
            self.state_dir.chmod(0o700)
        return self.state_dir

    @property
    def releases(self) -> Path:
        """Local copies of releases, by digest: the one folder that all verbs and servers share.

        `kinoloop promote` and `kinoloop prune` remove what no alias points at.
        """
        return self.state_dir / "releases"

    @property
    def tracking_uri(self) -> str:
        """The MLflow tracking URI in force; it may carry a password: show it redacted."""
        return self.mlflow_uri or f"sqlite:///{self.state_dir.resolve() / 'mlflow.db'}"
