"""Every recipe of the cookbook has the shown result, with the real chain, however the text is cut."""

import re
import string
from pathlib import Path

import pytest
from click.testing import CliRunner

from proxy.cli.commands import main
from tests.docs.recipes import ROOT, Recipe, recipes

RECIPES = list(recipes((ROOT / "docs" / "cookbook.md").read_text()))


def test_there_are_enough_of_them() -> None:
    assert len(RECIPES) >= 15
    assert all(recipe.config and recipe.commands for recipe in RECIPES)


@pytest.mark.parametrize("recipe", RECIPES, ids=lambda recipe: recipe.title)
def test_a_recipe_does_what_it_shows(recipe: Recipe, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    recipe.write(tmp_path)
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("HASH_KEY", raising=False)
    for arguments, printed in recipe.commands:
        cuts: list[list[str]] = [[]] if "--request" in arguments else [[], ["--chunk", "1"], ["--random"]]
        for cut in cuts:
            result = CliRunner().invoke(main, [*arguments, *cut])
            assert result.exit_code == 0, result.stderr
            assert result.stdout == printed


@pytest.mark.parametrize("recipe", RECIPES, ids=lambda recipe: recipe.title)
def test_a_recipes_configuration_passes_the_check(
    recipe: Recipe, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    recipe.write(tmp_path)
    monkeypatch.chdir(tmp_path)
    result = CliRunner().invoke(main, ["check"])
    assert result.exit_code == 0, result.stdout
    assert "is not used by any model" not in result.stdout


@pytest.mark.parametrize(
    "path", ["config.yaml", "README.md", *sorted(f"docs/{p.name}" for p in (ROOT / "docs").glob("*.md"))]
)
def test_what_is_shown_masks_with_a_character_that_markdown_does_not_read(path: str) -> None:
    masks = re.findall(r"""\bmask: ["']?([^\s"'])""", (ROOT / path).read_text())
    assert not [mask for mask in masks if mask in string.punctuation], "a chat window would render it: use •"
