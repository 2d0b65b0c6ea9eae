from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from src.data.sources import IngestParams, check, discover, find
from src.errors import UserError

ROOT = Path(__file__).resolve().parents[3]


@pytest.mark.unit
def test_sources_are_found_by_scanning() -> None:
    found = discover()
    assert {"vader", "files"} <= set(found)
    for name, source in found.items():
        assert source.name == name
        assert source.help
        assert source.code == f"src.data.sources.{name}:SOURCE"


@pytest.mark.unit
def test_a_name_is_a_built_in_source_and_a_path_is_files(tmp_path: Path) -> None:
    assert find("vader").public
    for path in ("/there/is/none.csv", "/there/*/x*", str(tmp_path)):
        assert find(path).name == "files"
        assert not find(path).public


@pytest.mark.unit
@pytest.mark.parametrize("source", ["vadr", "/somebodys/folder/vadr"])
def test_a_misspelt_name_gets_the_nearest(source: str) -> None:
    with pytest.raises(UserError, match="unknown source 'vadr'") as caught:
        check(IngestParams(source=source))
    assert "Did you mean vader?" in caught.value.hint


@pytest.mark.unit
@pytest.mark.parametrize("source", ["", "files", "postgres"])
def test_other_words_get_what_is_known(source: str) -> None:
    with pytest.raises(UserError, match="unknown source") as caught:
        find(source)
    assert "vader" in caught.value.hint
    assert "-P source=" in caught.value.hint


@pytest.mark.unit
@pytest.mark.parametrize("wrong", [{"labels": "happy"}, {"cut_points": "7,4"}])
def test_parameters_are_checked_before_anything_is_read(wrong: dict[str, str]) -> None:
    with pytest.raises(UserError, match=next(iter(wrong))):
        check(IngestParams(**wrong))


def test_checking_imports_nothing_heavy(tmp_path: Path) -> None:
    file = tmp_path / "diary.csv"
    file.write_text("text\nhello\n")
    code = (
        "import sys\n"
        "from src.data.sources import check, find\n"
        "from src.data.sources.formats import FileParams\n"
        "import src.data.splitting\n"
        f"check(FileParams(source={str(file)!r}))\n"
        f"find({str(file)!r}).fingerprint(FileParams(source={str(file)!r}))\n"
        "print(sorted({'numpy', 'pandas', 'pyarrow', 'rensa', 'mlflow'} & set(sys.modules)))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert done.stdout == "[]\n"
