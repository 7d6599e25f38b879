import pytest

from kinoloop.environment import Environment
from kinoloop.errors import ConfigError
from kinoloop.training.fit import checkpoints_of, fit_candidate


def test_refuses_a_candidate_that_the_settings_do_not_name(tmp_path):
    environment = Environment(settings_file=tmp_path / "none.toml", state_dir=tmp_path)
    with pytest.raises(
        ConfigError, match="no candidate 'sequense'; there are popularity, item_knn"
    ):
        fit_candidate(environment, "sequense")


def test_checkpoints_of_each_candidate_lie_apart(tmp_path):
    environment = Environment(state_dir=tmp_path)
    assert checkpoints_of(environment, "a") != checkpoints_of(environment, "b")
