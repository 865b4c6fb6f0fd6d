"""A curated folder trains as it lies, whatever units the pupil writes boxes in."""

from __future__ import annotations

from pathlib import Path

import pytest

from vitar.backends.profiles import Profile
from vitar.cli.main import main
from vitar.data.curation.trajectories import EXAMPLES_NAME, TRACES_NAME
from vitar.data.example import open_image
from vitar.imaging.coordinates import THOUSANDTHS, ResizedPixels
from vitar.imaging.environment import Environment, EnvironmentConfig
from vitar.imaging.geometry import Box
from vitar.protocol.actions import MarkRegion, Zoom
from vitar.protocol.parsing import parse
from vitar.protocol.trace import read_traces
from vitar.training.config import ConfigError, SftConfig
from vitar.training.sft import sft_dataset
from vitar.training.trajectories import open_examples, recorded_trajectories

CONFIG = EnvironmentConfig(zoom_side_px=128)
TINY = Profile(THOUSANDTHS, coordinate_step=10, zoom_side_px=128, chat_template=None)
PIXELS = Profile(ResizedPixels(lambda width, height: (280, 252)), 1, 448, chat_template=None)
RECIPE = Path(__file__).parents[2] / "recipes" / "tiny" / "sft-curated.yaml"
KEPT = 10


@pytest.fixture(scope="module")
def curated(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("curated") / "set"
    command = ["curate", "trajectories", "--data", "phantoms:train[7000:7012]", "--enough", str(KEPT)]
    assert main([*command, "--out", str(out)]) == 0
    return out


def boxes_of(text: str) -> tuple[tuple[float, ...], ...]:
    action = parse(text).outcome
    return action.boxes if isinstance(action, MarkRegion) else (action.box,) if isinstance(action, Zoom) else ()


@pytest.mark.parametrize(
    ("profile", "extent", "tolerance_px"), [(TINY, 1000, 512 / 100 / 2), (PIXELS, 280, 512 / 252 / 2)]
)
def test_boxes_are_written_as_the_pupil_writes_them(
    curated: Path, profile: Profile, extent: int, tolerance_px: float
) -> None:
    examples = open_examples(f"curated:{curated}")
    traces = list(read_traces(curated / TRACES_NAME))
    rows = recorded_trajectories(examples, curated / TRACES_NAME, 0, KEPT, profile, CONFIG)
    environment = Environment(CONFIG, profile.coordinates)
    for row, trace in zip(rows, traces, strict=True):
        assert [parse(text).thought for text in row.texts] == [each.thought for each in trace.rounds]
        assert row.texts[-1] == trace.rounds[-1].text
        environment.reset(open_image(examples[row.index].images[0]))
        frame = profile.coordinates.frame(environment.views[0])
        for written, box in zip(boxes_of(row.texts[0]), trace.rounds[0].boxes, strict=True):
            assert max(written) <= extent
            assert all(number % profile.coordinate_step == 0 for number in written)
            back = Box(*written, frame).xyxy_original
            assert all(abs(a - b) <= tolerance_px + 0.01 for a, b in zip(back, box, strict=True))


def test_thousandths_stay_as_they_are(curated: Path) -> None:
    profile = Profile(THOUSANDTHS, 1, 448, chat_template=None)
    rows = recorded_trajectories(open_examples(f"curated:{curated}"), curated / TRACES_NAME, 0, KEPT, profile, CONFIG)
    traces = read_traces(curated / TRACES_NAME)
    assert [row.texts for row in rows] == [tuple(each.text for each in trace.rounds) for trace in traces]


def test_a_recipe_names_the_folder_and_the_rest_asks_directly(curated: Path, tmp_path: Path) -> None:
    config = SftConfig(
        model="unused",
        output_dir=str(tmp_path),
        data=f"curated:{curated}",
        start=0,
        trajectories=8,
        direct_share=0.2,
    )
    rows = list(sft_dataset(config, TINY))
    assert [bool(row["tools"]) for row in rows] == [True] * 8 + [False] * 2
    assert all([message["role"] for message in row["messages"]][-2:] == ["tool", "assistant"] for row in rows[:8])


def test_a_folder_that_cannot_be_used(curated: Path, tmp_path: Path) -> None:
    examples = open_examples(f"curated:{curated}")

    def read(folder: Path = curated, start: int = 0, count: int = KEPT, config: EnvironmentConfig = CONFIG) -> None:
        recorded_trajectories(examples, folder / TRACES_NAME, start, count, TINY, config)

    with pytest.raises(ConfigError, match=r"there is no .*traces\.jsonl"):
        read(folder=curated / EXAMPLES_NAME)
    with pytest.raises(ConfigError, match="start is 1000000"):
        read(start=1_000_000)
    with pytest.raises(ConfigError, match="only 10 traces"):
        read(count=KEPT + 1)
    with pytest.raises(ConfigError, match="tool_unavailable"):
        read(config=EnvironmentConfig(tools=("mark_region",)))
    with pytest.raises(ConfigError, match="cannot read the data"):
        open_examples(f"curated:{tmp_path}")
    with pytest.raises(ValueError, match="bring their own and take none"):
        SftConfig(model="m", output_dir="o", data=f"curated:{curated}", traces="t.jsonl")


def test_the_recipe_that_ships_trains_on_the_folder(curated: Path, small_model_dir: Path, tmp_path: Path) -> None:
    pytest.importorskip("trl")
    settings = {
        "model": small_model_dir,
        "output_dir": tmp_path / "run",
        "data": f"curated:{curated}",
        "trajectories": 4,
        "trainer.max_steps": 1,
        "trainer.per_device_train_batch_size": 2,
        "trainer.gradient_accumulation_steps": 1,
        "trainer.dataloader_num_workers": 0,
    }
    options = [part for key, value in settings.items() for part in ("--set", f"{key}={value}")]
    assert main(["train", "sft", "--config", str(RECIPE), *options]) == 0
    assert (tmp_path / "run" / "final" / "model.safetensors").is_file()
