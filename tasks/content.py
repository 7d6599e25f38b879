"""Tasks after encoding: label what videos are about, find those that show the same, and harm."""

from typing import TYPE_CHECKING

from prefect import task

from kinoloop.data.tables import Tables
from kinoloop.duplicates.update import DuplicatesReport, update_duplicates
from kinoloop.environment import Environment
from kinoloop.safety.screen import SafetyReport
from kinoloop.semantics.assemble import LazyTextEncoder
from kinoloop.semantics.label import LabelReport, label
from kinoloop.semantics.moments import describe_moments
from kinoloop.semantics.occurrences import update_occurrences
from kinoloop.semantics.spaces import VectorSpace
from kinoloop.settings import read_section

if TYPE_CHECKING:
    from kinoloop.extraction.products import VectorProduct


@task(name="label videos", retries=1, retry_delay_seconds=10)
def label_videos(environment: Environment) -> LabelReport:
    """Bring `labels`, `moments` and `occurrences` up to date; a retry goes on where it stopped.

    Returns:
        What was done; zeros where `[semantics] enabled` is false.
    """
    from kinoloop.semantics.config import SemanticsConfig

    config = read_section("semantics", SemanticsConfig, environment.settings_file)
    if not config.enabled:
        return LabelReport()
    tables, spaces = Tables(environment.data_dir), vector_spaces(environment)
    text = LazyTextEncoder(spaces.get("text"))
    report = label(tables, config, spaces, text=text)
    describe_moments(tables, config, spaces, text=text)
    update_occurrences(tables, config, spaces, text=text)
    return report


@task(name="find duplicates", retries=1, retry_delay_seconds=10)
def find_duplicates(environment: Environment) -> DuplicatesReport:
    """Bring the table `duplicates` up to date.

    Returns:
        What was done; zeros where `[duplicates] enabled` is false.
    """
    from kinoloop.duplicates.config import DuplicatesConfig

    config = read_section("duplicates", DuplicatesConfig, environment.settings_file)
    if not config.enabled:
        return DuplicatesReport()
    visual = [space.fingerprint for space in _spaces(environment) if space.modality == "visual"]
    return update_duplicates(
        Tables(environment.data_dir), config, visual=visual[0] if visual else None
    )


@task(name="screen videos", retries=1, retry_delay_seconds=10)
def screen_videos(environment: Environment) -> SafetyReport:
    """Bring the tables `safety` and `moderation` up to date.

    Returns:
        What was done; zeros where `[safety] enabled` is false.
    """
    from kinoloop.safety.config import SafetyConfig
    from kinoloop.safety.screen import screen

    config = read_section("safety", SafetyConfig, environment.settings_file)
    return screen(Tables(environment.data_dir), config) if config.enabled else SafetyReport()


def vector_spaces(environment: Environment) -> dict[str, VectorSpace]:
    """Name the vector spaces of the settings by modality, as labelling wants them."""
    return {
        space.modality: VectorSpace(space.settings, space.fingerprint)
        for space in _spaces(environment)
    }


def _spaces(environment: Environment) -> list["VectorProduct"]:
    """Build the vector spaces that the settings name."""
    from kinoloop.extraction.config import ExtractConfig
    from kinoloop.extraction.products import VectorProduct, make_products

    config = read_section("extract", ExtractConfig, environment.settings_file)
    return [product for product in make_products(config) if isinstance(product, VectorProduct)]
