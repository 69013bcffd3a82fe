"""The player of a film from both sides: what the page sends moves everything, and what is set here arrives there."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import comm
import ipywidgets
import numpy as np
import pytest
from comm.base_comm import BaseComm

import mlm_viz
from mlm_viz.errors import MlmVizError
from mlm_viz.figures.film import film_attention, film_guesses, film_loss, film_text
from mlm_viz.film import Film
from mlm_viz.widgets.film_player import FilmPlayer, show_film
from mlm_viz.widgets.live_figure import LiveFigure
from tests.unit.test_film_figures import HOSTILE, film
from tests.widgets.test_panels import Read, everything


@pytest.fixture
def player() -> FilmPlayer:
    return show_film(film())


def move(player: FilmPlayer, frame: int, **more: Any) -> None:
    """What the slider sends."""
    player.controls.set_state({"frame": frame, **more})


def shows(player: FilmPlayer, made: Film, frame: int, scene: int, *, dark: bool = False) -> bool:
    expected = {
        "guesses": film_guesses(made, frame, scene, dark=dark),
        "loss": film_loss(made, frame, dark=dark),
        "attention": film_attention(made, frame, dark=dark),
    }
    return {name: figure.to_json() for name, figure in player.figures.items()} == {
        name: figure.to_json() for name, figure in expected.items()
    }


def test_it_opens_at_step_0(player: FilmPlayer) -> None:
    assert (player.frame, player.scene) == (0, 0)
    assert shows(player, film(), 0, 0)
    assert player.controls.labels[2] == "step 10 of 1,000 · 5,120 tokens read"
    assert not player.controls.playing


def test_the_slider_moves_everything(player: FilmPlayer) -> None:
    for frame in (3, 1, 2):
        move(player, frame)
        assert player.frame == player.controls.shown == frame
        assert shows(player, film(), frame, 0)
    assert "sky" in Read(player.sentence.value).text
    assert Read(player.boards["en"].value).text.startswith("English: 0 of 1 right")
    move(player, 3)
    assert "The sun rises in the east." in Read(player.sentence.value).text
    assert "✓ right" in Read(player.sentence.value).text
    assert Read(player.boards["en"].value).text.startswith("English: 1 of 1 right")
    assert Read(player.boards["zh"].value).text.startswith("Chinese: 0 of 1 right")
    assert "✓ 1" in Read(player.boards["en"].value).text


def test_another_sentence(player: FilmPlayer) -> None:
    move(player, 2)
    player.scenes.set_state({"index": 1})
    assert player.scene == 1
    assert shows(player, film(), 2, 1)
    assert "我今天去。" in Read(player.sentence.value).text
    assert "明" in Read(player.sentence.value).text
    assert "mlmviz-board-selected" in player.boards["zh"].value
    assert "mlmviz-board-selected" not in player.boards["en"].value


def test_playing(player: FilmPlayer) -> None:
    move(player, 1, playing=True)
    assert player.controls.playing
    assert player.controls.shown == 1
    assert "role" not in Read(player.sentence.value).attributes  # a running film is not read aloud
    move(player, 3, playing=False)
    assert shows(player, film(), 3, 0)
    assert 'role="status"' in player.sentence.value


def test_a_frame_that_is_not_there_is_the_nearest_one(player: FilmPlayer) -> None:
    move(player, 99)
    assert player.frame == player.controls.shown == 3


def test_from_python(player: FilmPlayer) -> None:
    player.frame = 2
    player.scene = 1
    assert shows(player, film(), 2, 1)
    for name, number in (("frame", 4), ("scene", 2), ("frame", -1)):
        with pytest.raises(MlmVizError, match="there are 0 to"):
            setattr(player, name, number)
    assert (player.frame, player.scene) == (2, 1)


def test_the_text_form_follows(player: FilmPlayer) -> None:
    assert player.text.value == ""
    player.as_text.value = True
    move(player, 2)
    assert Read(player.text.value).text == film_text(film(), 2, 0)
    player.as_text.value = False
    assert player.text.value == ""


def test_one_action_is_one_update_a_figure(monkeypatch: pytest.MonkeyPatch) -> None:
    sent: list[dict[str, Any]] = []

    class Recorder(BaseComm):
        def publish_msg(self, msg_type: str, data: Any = None, **_: Any) -> None:
            sent.append((data or {}).get("state", {}))

    monkeypatch.setattr(comm, "create_comm", Recorder)
    player = show_film(film())
    for live in player._live.values():
        live.set_state({"_js2py_traceDeltas": {"trace_deltas": [], "trace_edit_id": 0}})

    def updates() -> int:
        count = sum(any(state.get(name) for name in ("_py2js_update", "_py2js_relayout")) for state in sent)
        sent.clear()
        return count

    updates()
    move(player, 2)
    assert updates() == 3
    player.scenes.set_state({"index": 1})
    assert updates() == 1
    move(player, 2, playing=True)
    assert updates() == 0


def test_the_theme_of_the_page_or_the_one_asked_for(player: FilmPlayer) -> None:
    player.controls.set_state({"dark": True})
    assert shows(player, film(), 0, 0, dark=True)
    fixed = show_film(film(), dark=False)
    fixed.controls.set_state({"dark": True})
    assert shows(fixed, film(), 0, 0)


def test_no_word_becomes_markup() -> None:
    made = film((HOSTILE,))
    row = ((HOSTILE, "</style>", "b"),) * 2
    odd = replace(
        made,
        guesses=(row,) * 4,
        scenes=tuple(replace(scene, text=HOSTILE + scene.text, truth=HOSTILE) for scene in made.scenes),
    )
    player = show_film(odd)
    player.as_text.value = True
    for frame in (0, 3):
        move(player, frame)
        for widget in everything(player):
            if isinstance(widget, ipywidgets.HTML):
                read = Read(widget.value)
                assert read.tags <= {
                    "p",
                    "b",
                    "span",
                    "pre",
                    "style",
                    "table",
                    "caption",
                    "thead",
                    "tbody",
                    "tr",
                    "th",
                    "td",
                }
                assert read.attributes <= {"class", "role", "scope", "style", "aria-current"}
        assert "<img" not in json.dumps({name: str(figure.to_dict()) for name, figure in player.figures.items()})
    assert HOSTILE[:10] in Read(player.sentence.value).text
    assert HOSTILE[:10] in Read(player.boards["en"].value).text


def test_every_control_has_a_name(player: FilmPlayer) -> None:
    for widget in everything(player):
        if isinstance(widget, (ipywidgets.Dropdown, ipywidgets.ToggleButton)):
            assert widget.description
    assert {"label", "slider", "play", "pause", "again"} == player.controls.strings.keys()
    assert all(player.controls.strings.values())


def test_a_film_without_a_loss_says_so() -> None:
    player = show_film(film(()))
    assert "no loss to show" in player.loss.words.value
    assert player.figures.keys() == {"guesses", "attention"}
    move(player, 1)


def test_one_language() -> None:
    player = show_film(film(), language="zh")
    assert player.boards.keys() == {"zh"}
    assert len(player.scenes.options) == 1
    with pytest.raises(MlmVizError, match="fr"):
        show_film(film(), language="fr")


def test_a_film_of_nothing_is_refused() -> None:
    with pytest.raises(MlmVizError, match="no frame"):
        show_film(film().until(-1))


def test_from_a_file(tmp_path: Path) -> None:
    path = tmp_path / "film.json"
    path.write_text(json.dumps(film().to_dict()), encoding="utf-8")
    assert shows(mlm_viz.show_film(path), mlm_viz.load_film(str(path)), 0, 0)
    with pytest.raises(MlmVizError, match="cannot be read"):
        mlm_viz.show_film(tmp_path / "none.json")


def test_every_figure_is_drawn_once(player: FilmPlayer) -> None:
    before = {id(live) for live in player._live.values()}
    for frame in range(4):
        move(player, frame)
    assert {id(live) for live in player._live.values()} == before
    assert all(isinstance(live, LiveFigure) for live in player._live.values())
    assert np.isfinite(player.film.bits).all()
