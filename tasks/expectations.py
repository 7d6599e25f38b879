"""The validation report: the rules of ingestion as Great Expectations suites, with Data Docs.

Each chunk that ingestion checks is checked again here by Great Expectations, and the results of the
chunks are added up into one result for videos and one for events: every row is in the report, and
memory stays flat. Results hold counts only, never values: `partial_unexpected_count` is 0, and the
chunks carry pseudonyms.
"""

import logging
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import polars as pl

from kinoloop.errors import DataError
from kinoloop.ingestion.rule import Limits, Rule
from kinoloop.ingestion.rules import rules_of

if TYPE_CHECKING:
    import pandas as pd

logger = logging.getLogger(__name__)

RESULT_FORMAT = {"result_format": "BASIC", "partial_unexpected_count": 0}
SUMS = ("element_count", "unexpected_count", "missing_count")


class ValidationReport:
    """Observes the chunks of one batch and writes its Data Docs.

    Args:
        directory: Where `data_docs/` and the stored results of earlier batches are.
        limits: What the expectations compare with.
    """

    def __init__(self, directory: Path, limits: Limits) -> None:
        self.directory, self.limits = directory, limits
        self._context: Any = None
        self._suites: dict[str, tuple[Any, Any]] = {}
        self._results: dict[str, Any] = {}

    def __call__(self, kind: str, frame: pl.DataFrame) -> None:
        """Check one chunk of `videos`, `events` or `volume`."""
        if frame.is_empty():
            return
        definition, suite = self._suite(kind)
        batch = definition.get_batch({"dataframe": self._pandas(kind, frame)})
        result = batch.validate(suite, result_format=RESULT_FORMAT)
        for one in result.results:
            if one.exception_info.get("raised_exception"):
                raise DataError(
                    f"Great Expectations could not check {one.expectation_config.meta['rule']}: "
                    f"{one.exception_info['exception_message']}"
                )
        if kind in self._results:
            _add(self._results[kind], result)
        else:
            self._results[kind] = result

    def unexpected(self, kind: str) -> dict[str, int]:
        """Rows by rule that Great Expectations found, for rules that any row broke."""
        counts = {
            one.expectation_config.meta["rule"]: int(one.result["unexpected_count"])
            for one in self._results[kind].results
        }
        return {rule: count for rule, count in counts.items() if count}

    def write(self, name: str, time: datetime) -> Path:
        """Store the results and build the Data Docs.

        Args:
            name: Of the batch.
            time: Of the run.

        Returns:
            The index page.
        """
        from great_expectations.core import RunIdentifier
        from great_expectations.data_context.types import (
            resource_identifiers as identifiers,
        )

        context = self._open()
        for kind, result in self._results.items():
            context.validation_results_store.set(
                identifiers.ValidationResultIdentifier(
                    identifiers.ExpectationSuiteIdentifier(kind),
                    RunIdentifier(run_name=name, run_time=time),
                    kind,
                ),
                result,
            )
        context.build_data_docs()
        index = self.directory.resolve() / "data_docs" / "index.html"
        logger.info("Data Docs are at %s", index)
        return index

    def _open(self) -> Any:  # noqa: ANN401 (Great Expectations is untyped to us)
        if self._context is None:
            import great_expectations as gx

            self._context = gx.get_context(mode="ephemeral", project_config=_config(self.directory))
        return self._context

    def _suite(self, kind: str) -> tuple[Any, Any]:
        """Return the batch definition and the suite of one kind, made at its first chunk."""
        if kind not in self._suites:
            import great_expectations as gx

            context = self._open()
            asset = context.data_sources.add_pandas(kind).add_dataframe_asset(kind)
            definition = asset.add_batch_definition_whole_dataframe(kind)
            rules = rules_of(kind, self.limits.config)
            suite = gx.ExpectationSuite(kind, expectations=[self._expectation(r) for r in rules])
            self._suites[kind] = definition, context.suites.add(suite)
        return self._suites[kind]

    def _expectation(self, rule: Rule) -> Any:  # noqa: ANN401
        import great_expectations.expectations as gxe

        severity = self.limits.config.severity(rule)
        about: dict[str, Any] = {
            "meta": {"rule": rule.name},
            "notes": f"{rule.name} ({severity}): {rule.reason}",
            "severity": "warning" if severity in {"warn", "hold"} else "critical",
        }
        column, expectation = rule.checked
        name = "".join(part.title() for part in expectation.type.split("_"))
        return getattr(gxe, name)(column=column, **expectation.arguments(self.limits), **about)

    def _pandas(self, kind: str, frame: pl.DataFrame) -> "pd.DataFrame":
        """Convert the columns of the suite; NaN (a broken number) must not read as missing."""
        import pandas as pd

        rules = rules_of(kind, self.limits.config)
        names = dict.fromkeys(rule.checked[0] for rule in rules)
        columns: dict[str, Any] = {}
        for name in names:
            column = frame[name]
            if column.dtype == pl.String:
                columns[name] = pd.array(column.to_arrow(), dtype="string[pyarrow]")
            elif column.dtype.is_float():
                columns[name] = column.fill_nan(float("inf")).to_pandas()
            else:
                columns[name] = column.to_pandas()
        return pd.DataFrame(columns)


def _add(total: Any, part: Any) -> None:  # noqa: ANN401
    """Add the counts of one chunk's result to another's."""
    for one, other in zip(total.results, part.results, strict=True):
        one.success = one.success and other.success
        for count in SUMS:
            if count in other.result:
                one.result[count] = one.result.get(count, 0) + other.result[count]
        checked = one.result["element_count"] - one.result.get("missing_count", 0)
        one.result["unexpected_percent"] = 100 * one.result["unexpected_count"] / max(checked, 1)
    total.success = all(one.success for one in total.results)
    passed = sum(bool(one.success) for one in total.results)
    total.statistics.update(
        successful_expectations=passed,
        unsuccessful_expectations=len(total.results) - passed,
        success_percent=100 * passed / len(total.results),
    )


def _config(directory: Path) -> Any:  # noqa: ANN401
    """Results are kept on disk, so that the index lists earlier batches; the rest is in memory."""
    from great_expectations.data_context.types import base

    def on_disk(folder: str) -> dict[str, str]:
        path = str(directory.resolve() / folder)
        return {"class_name": "TupleFilesystemStoreBackend", "base_directory": path}

    memory = {"class_name": "InMemoryStoreBackend"}
    return base.DataContextConfig(
        expectations_store_name="expectations",
        validation_results_store_name="results",
        checkpoint_store_name="checkpoints",
        stores={
            "expectations": {"class_name": "ExpectationsStore", "store_backend": memory},
            "checkpoints": {"class_name": "CheckpointStore", "store_backend": memory},
            "validation_definition_store": {
                "class_name": "ValidationDefinitionStore",
                "store_backend": memory,
            },
            "results": {
                "class_name": "ValidationResultsStore",
                "store_backend": on_disk("validations"),
            },
        },
        data_docs_sites={
            "data_docs": {
                "class_name": "SiteBuilder",
                "show_how_to_buttons": False,
                "store_backend": on_disk("data_docs"),
                "site_index_builder": {"class_name": "DefaultSiteIndexBuilder"},
            }
        },
        analytics_enabled=False,
        progress_bars=base.ProgressBarsConfig(globally=False),
    )
