import ast
import math
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
import setting_names
from pydantic import ValidationError

from kinoloop.encoders.base import parse
from kinoloop.errors import ConfigError
from kinoloop.ingestion.rule import IngestConfig
from kinoloop.models.base import RECOMMENDERS
from kinoloop.promotion.gates import Gain
from kinoloop.settings import NAMES, SECTIONS, Config, config_of, read_section
from kinoloop.training.model_selection import build_candidate

REPOSITORY = Path(__file__).parent.parent
SETTINGS_FILE = REPOSITORY / "kinoloop.toml"


class _Ingest(Config):
    chunk_rows: int = 5


def _write(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "kinoloop.toml"
    path.write_text(text)
    return path


def test_default_holds_where_the_file_is_missing(tmp_path):
    assert read_section("ingest", _Ingest, tmp_path / "none.toml").chunk_rows == 5


def test_file_overrides_the_default(tmp_path):
    assert (
        read_section("ingest", _Ingest, _write(tmp_path, "[ingest]\nchunk_rows = 7")).chunk_rows
        == 7
    )


def test_unknown_key_is_an_error_that_names_it(tmp_path):
    path = _write(tmp_path, "[ingest]\nchunk_row = 7")
    with pytest.raises(
        ConfigError, match=r"no setting .ingest\.chunk_row.; did you mean chunk_rows"
    ):
        read_section("ingest", _Ingest, path)


def test_the_names_of_all_settings_are_those_of_the_classes():
    assert NAMES.read_text() == setting_names.document(), "python tools/setting_names.py"


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("[policy]\nexplor = 1", "'policy.explor'; did you mean explore?"),
        ("[extract.decode]\nmax_pixel = 9", "'extract.decode.max_pixel'; did you mean max_pixels?"),
        (
            'extract.decode.sampling = { kind = "interval", second = 1 }',
            "'extract.decode.sampling.second'; did you mean seconds?",
        ),
        ("[[alerts.rules]]\nlable = 'dog'", "'alerts.rules.lable'; did you mean label?"),
        ("[ranker.label]\nxyzzy = 1", "'ranker.label.xyzzy'; there are "),
    ],
)
def test_unknown_key_of_a_section_that_is_not_read_is_refused_with_the_right_name(
    tmp_path, text, fault
):
    path = _write(tmp_path, text)
    with pytest.raises(ConfigError, match=re.escape(f"{path}: there is no setting {fault}")):
        read_section("ingest", IngestConfig, path)


def test_the_settings_of_sections_that_are_not_read_import_no_module():
    code = (
        "import sys; from pathlib import Path\n"
        "from kinoloop.ingestion.rule import IngestConfig\n"
        "from kinoloop.settings import read_section\n"
        "before = set(sys.modules)\n"
        f"read_section('ingest', IngestConfig, Path({str(SETTINGS_FILE)!r}))\n"
        "print(*sorted(set(sys.modules) - before))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert "kinoloop" not in done.stdout


def test_unknown_section_is_an_error_that_names_it(tmp_path):
    with pytest.raises(ConfigError, match="unknown section 'ingets'"):
        read_section("ingest", _Ingest, _write(tmp_path, "[ingets]\nchunk_rows = 7"))


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"[ingest]\nx = '\xff'\n", "is not UTF-8, as TOML must be"),
        (b"x = " + b"[" * 3000, "is not valid TOML"),
        (None, "cannot be read: Is a directory; KINOLOOP_SETTINGS_FILE"),
    ],
)
def test_a_settings_file_that_cannot_be_read_is_an_error_that_names_it(tmp_path, content, message):
    path = tmp_path / "kinoloop.toml"
    if content is None:
        path.mkdir()
    else:
        path.write_bytes(content)
    with pytest.raises(ConfigError, match=message):
        read_section("ingest", _Ingest, path)


def test_broken_toml_is_an_error_that_names_the_file(tmp_path):
    with pytest.raises(ConfigError, match=r"kinoloop\.toml is not valid TOML"):
        read_section("ingest", _Ingest, _write(tmp_path, "[ingest"))


@pytest.mark.parametrize("section", SECTIONS)
def test_settings_file_states_every_default_of_its_section(section):
    written = tomllib.loads(SETTINGS_FILE.read_text())[section]
    defaults = config_of(section)().model_dump(mode="json", exclude_none=True)
    assert written == defaults


def test_every_line_of_the_settings_file_says_why():
    if not SETTINGS_FILE.exists():
        pytest.fail("kinoloop.toml is missing")
    for line in SETTINGS_FILE.read_text().splitlines():
        if re.match(r"^\w+ = [^\[{]*$", line) and not line.rstrip().endswith("["):
            assert "#" in line, f"no reason beside: {line}"


def test_the_settings_file_has_every_section_and_no_other():
    assert set(tomllib.loads(SETTINGS_FILE.read_text())) == set(SECTIONS)


def test_whoever_reads_a_section_reads_it_into_the_config_of_the_table():
    read = set()
    for package in ("kinoloop", "tasks", "flows", "serving"):
        for path in (REPOSITORY / package).rglob("*.py"):
            for node in ast.walk(ast.parse(path.read_text())):
                match node:
                    case ast.Call(
                        func=ast.Name(id="read_section"),
                        args=[ast.Constant(value=section), ast.Name(id=config), _],
                    ):
                        assert SECTIONS[section].endswith(f":{config}"), path
                        read.add(section)
    assert read == set(SECTIONS)


def _with_number(written, number):
    """A section with one of its decimal numbers replaced, for each of them."""
    for key, value in written.items():
        if isinstance(value, float):
            yield {**written, key: number}
        elif isinstance(value, dict):
            yield from ({**written, key: changed} for changed in _with_number(value, number))


@pytest.mark.parametrize("number", ["inf", "-inf", "nan"])
def test_no_setting_is_infinite_or_not_a_number(number):
    tried = 0
    for section, written in tomllib.loads(SETTINGS_FILE.read_text()).items():
        for changed in _with_number(written, float(number)):
            with pytest.raises(ValidationError, match="finite number"):
                config_of(section).model_validate(changed)
            tried += 1
    assert tried > 50
    with pytest.raises(ConfigError, match="finite number"):
        build_candidate({"kind": "ease", "regularization": float(number)}, seed=0)


def test_true_is_no_number(tmp_path):
    path = _write(tmp_path, "[ingest]\nchunk_rows = true")
    with pytest.raises(
        ConfigError, match=r"ingest\.chunk_rows: Input should be a number, got True"
    ):
        read_section("ingest", _Ingest, path)
    for section, line, where in (
        ("retrain", "replay = true", "retrain.replay"),
        ("extract", "decode.max_pixels = false", "extract.decode.max_pixels"),
        (
            "extract",
            'decode.sampling = { kind = "interval", seconds = true }',
            "extract.decode.sampling.seconds",
        ),
    ):
        path = _write(tmp_path, f"[{section}]\n{line}")
        with pytest.raises(ConfigError, match=rf"{where}.*should be a number, got"):
            read_section(section, config_of(section), path)
    with pytest.raises(ConfigError, match=r"batch_size: Input should be a number"):
        parse({"kind": "minilm", "batch_size": True})
    for kind in RECOMMENDERS.names():
        fields = RECOMMENDERS.get(kind).Config.model_fields
        numbers = [name for name, field in fields.items() if field.annotation in (int, float)]
        assert numbers
        for name in numbers:
            with pytest.raises(ConfigError, match=f"{name}: Input should be a number, got True"):
                build_candidate({"kind": kind, name: True}, seed=0)


def test_a_record_may_hold_what_could_not_be_measured():
    gain = Gain(mean=math.nan, low=math.nan, high=math.inf, users=0, confidence=0.95)
    assert math.isnan(gain.mean)


def test_every_unknown_section_is_named(tmp_path):
    with pytest.raises(ConfigError, match="unknown section 'drfit', 'ingets'; there are ingest"):
        read_section("ingest", _Ingest, _write(tmp_path, "[ingets]\n[drfit]\n"))
