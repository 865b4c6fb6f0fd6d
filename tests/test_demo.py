from pathlib import Path

import pytest

from vitar.demo import STAGES, DemoConfig, run_demo


@pytest.mark.slow
def test_the_demonstration_leaves_a_table_and_a_report_with_regions_and_costs(tmp_path: Path) -> None:
    config = DemoConfig(str(tmp_path), trajectories=16, sft_epochs=1, grpo_steps=1, items=4)
    table, page = run_demo(config)
    assert [line.split()[0] for line in table.splitlines()[1:4]] == list(STAGES)
    text = page.read_text()
    for stage in STAGES:
        run = tmp_path / "eval" / stage
        assert {"metrics.json", "regions.json", "costs.json"} <= {file.name for file in run.iterdir()}
        assert stage in text
    assert run_demo(config)[0] == table  # what is finished is kept
