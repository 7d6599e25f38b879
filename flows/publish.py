"""Publish: new, corrected and withdrawn videos reach the release in service, without a retrain."""

from prefect import flow, get_run_logger

from kinoloop.environment import Environment
from tasks.catalogue import find_models, one_publication, publish_catalogue, report_publication
from tasks.failures import explain_failure
from tasks.pruning import prune_releases
from tasks.results import PublishSummary


@flow(name="publish", on_failure=[explain_failure], on_crashed=[explain_failure])
def publish() -> PublishSummary:
    """Make a catalogue version for the champion, the challenger, and what a rollback restores.

    Raises:
        RegistryError: MLflow is away.
        BundleError: With the new catalogue a model answers otherwise than it was proven to.
    """
    environment, logger = Environment(), get_run_logger()
    with one_publication(environment):
        models = find_models(environment)
        if not models:
            logger.info("there is no model to publish for; `kinoloop retrain` makes one")
            return PublishSummary(outcome="no model")
        made = [publish_catalogue(environment, version) for version in models]
        published = [one for one in made if one is not None]
        if not published:
            logger.info("nothing to publish: every model knows the catalogue as it is")
            return PublishSummary(outcome="nothing new")
        prune_releases(environment)
    done = PublishSummary(outcome="published", published=published)
    report_publication(done)
    return done
