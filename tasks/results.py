"""What each flow returns: frozen, of plain values and reports, and without a row of data."""

from dataclasses import dataclass, field

from kinoloop.duplicates.update import DuplicatesReport
from kinoloop.extraction.report import ExtractReport
from kinoloop.promotion.decision import Decision
from kinoloop.safety.screen import SafetyReport
from kinoloop.semantics.label import LabelReport

KEPT = "kept until MLflow is there"


@dataclass(frozen=True, kw_only=True)
class IngestSummary:
    """What became of a batch.

    Attributes:
        files: Taken up; 0 where nothing was new and nothing was changed.
        rows: In them.
        accepted: Of the rows.
        quarantined: Of the rows.
        duplicates: Of the rows.
        findings: Rows by the rule that they broke.
        warnings: What a person should look at, a sentence each.
        set_aside: Files that broke their contract, each named once.
        standing: Files set aside that were named before.
        ignored: Files of a format that is not read; only where nothing was new.
        dataset_version: Afterwards.
        batch_id: Of what was committed; "" where nothing was.
        data_docs: Path of the validation report; "" where nothing was committed.
    """

    files: int = 0
    rows: int = 0
    accepted: int = 0
    quarantined: int = 0
    duplicates: int = 0
    findings: dict[str, int] = field(default_factory=dict)
    warnings: list[str] = field(default_factory=list)
    set_aside: list[str] = field(default_factory=list)
    standing: list[str] = field(default_factory=list)
    ignored: list[str] = field(default_factory=list)
    dataset_version: str
    batch_id: str = ""
    data_docs: str = ""


@dataclass(frozen=True, kw_only=True)
class ExtractSummary:
    """What was understood.

    Attributes:
        extraction: Counts, rate and fingerprints.
        labels: How many videos were labelled, and how well heads learned it.
        duplicates: How many show the same.
        safety: How many are marked, wait for a person, or are hidden.
        dataset_version: Afterwards.
    """

    extraction: ExtractReport
    labels: LabelReport
    duplicates: DuplicatesReport
    safety: SafetyReport = field(default_factory=SafetyReport)
    dataset_version: str


@dataclass(frozen=True, kw_only=True)
class DriftSummary:
    """What was found.

    Attributes:
        fired: Whether drift is called.
        verdict: One sentence; where there was too little data, which.
        tests: The outcome of each test by name.
        lacking: Of the tests without enough data, what they lack.
        report: Its path.
    """

    fired: bool
    verdict: str
    tests: dict[str, str]
    lacking: dict[str, str]
    report: str


@dataclass(frozen=True, kw_only=True)
class RetrainSummary:
    """What a training made.

    Attributes:
        outcome: `trained`, `nothing new`, `KEPT` where MLflow is away, or why it was put off.
        version: Of the winner; "" where none is registered.
        candidate: Name of the winner.
        refused_by: Where nothing is new, a sentence for each gate that refused that version.
        competed: Of a new training, metrics by candidate and window.
        failed: Of a new training, why a candidate failed, by candidate.
        ranker: Of a new training, the metrics of its ranker; empty where there is none.
        away: Why MLflow is away; the next retrain registers the winner there.
    """

    outcome: str
    version: str = ""
    candidate: str = ""
    refused_by: list[str] = field(default_factory=list)
    competed: dict[str, dict[str, float]] = field(default_factory=dict)
    failed: dict[str, str] = field(default_factory=dict)
    ranker: dict[str, float] = field(default_factory=dict)
    away: str = ""


@dataclass(frozen=True, kw_only=True)
class PromoteSummary:
    """What became of the challenger.

    Attributes:
        outcome: `promoted`, `refused` or `nothing to do`.
        version: Of the challenger; None where none waits.
        decision: Its record; None where nothing was weighed.
        refused_by: A sentence for each gate that refuses, also where it did so before.
        refreshed: Version that was taught the newest window, too, and serves; "" without.
        refresh: How well that went, or why it was refused; "" where it is not wanted.
    """

    outcome: str
    version: str | None = None
    refreshed: str = ""
    refresh: str = ""
    decision: Decision | None = None
    refused_by: list[str] = field(default_factory=list)


@dataclass(frozen=True, kw_only=True)
class PublishedCatalogue:
    """A catalogue version that was made.

    Attributes:
        model_version: Of the model that it is for.
        number: 1, 2, … of this model.
        digest: Of its content.
        videos: In it.
        new: Of them.
        changed: Of them.
        withdrawn: That have left.
        seconds: It took to make and store.
        since_landing: Of its new videos, median and longest way from landing until now, seconds.
    """

    model_version: str
    number: int
    digest: str
    videos: int
    new: int
    changed: int
    withdrawn: int
    seconds: float
    since_landing: tuple[float, float] | None = None


@dataclass(frozen=True, kw_only=True)
class PublishSummary:
    """What was published.

    Attributes:
        outcome: `published`, `nothing new`, or `no model` where nothing was trained yet.
        published: Per model.
    """

    outcome: str
    published: list[PublishedCatalogue] = field(default_factory=list)


@dataclass(frozen=True, kw_only=True)
class LoopSummary:
    """What each flow returned.

    Attributes:
        ingest: The batch.
        extract: What was understood of it.
        publish: What of it the champion serves with from now on.
        drift: Whether today looks like what the champion was trained on.
        retrain: None where none was due.
        promote: What became of the challenger.
    """

    ingest: IngestSummary
    extract: ExtractSummary
    publish: PublishSummary
    drift: DriftSummary
    retrain: RetrainSummary | None
    promote: PromoteSummary


@dataclass(frozen=True, kw_only=True)
class RollbackSummary:
    """Which champion came back.

    Attributes:
        version: In service again.
        replaced: The one that left.
    """

    version: str
    replaced: str


@dataclass(frozen=True, kw_only=True)
class PruneSummary:
    """What was removed.

    Attributes:
        deleted: Rows by fingerprint.
        releases: Local copies of releases.
        dataset_version: Afterwards.
    """

    deleted: dict[str, int]
    releases: int
    dataset_version: str
