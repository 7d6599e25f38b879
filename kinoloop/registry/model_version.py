"""One version of the registered model, as MLflow keeps it."""

from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from mlflow.entities.model_registry import ModelVersion as MlflowVersion

CATALOGUE = "catalogue"
"""Tag of a version: digest of the newest catalogue version that was made for it."""


@dataclass(frozen=True)
class ModelVersion:
    """One registered release.

    Attributes:
        version: Number in the registry, as text.
        digest: Content digest of its bundle.
        run_id: Of the MLflow run that made it.
        created_at: When it was registered.
        tags: Dataset version, settings hash, kind, fingerprints, who signed.
    """

    version: str
    digest: str
    run_id: str
    created_at: datetime
    tags: dict[str, str] = field(default_factory=dict)

    @property
    def signed_by(self) -> str:
        """Public key that its bundle says it is signed with; "" of a release without."""
        return self.tags.get("signed_by", "")

    @property
    def catalogue(self) -> str:
        """Digest of its newest catalogue version; "" where it has none but its own."""
        return self.tags.get(CATALOGUE, "")

    def with_own_catalogue(self) -> "ModelVersion":
        """Return the same version with the catalogue that it was trained on."""
        return replace(self, tags={**self.tags, CATALOGUE: ""})


def model_version(found: "MlflowVersion") -> ModelVersion:
    """Read what MLflow says of a version."""
    tags = dict(found.tags)
    return ModelVersion(
        version=str(found.version),
        digest=tags.get("digest", ""),
        run_id=str(found.run_id),
        created_at=datetime.fromtimestamp(found.creation_timestamp / 1000, UTC),
        tags=tags,
    )
