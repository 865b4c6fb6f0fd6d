"""The filters of the trace viewer as a browser runs them."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from vitar.reports.load import load_runs
from vitar.reports.report import render

BROWSER = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)

PRESS_EVERY_BUTTON = """
<script>
  const shown = {};
  for (const button of document.querySelectorAll("#filters button")) {
    button.click();
    const open = [...document.querySelectorAll(".item")].filter((item) => !item.hidden);
    const traces = [...document.querySelectorAll(".trace")].filter((trace) => !trace.hidden);
    shown[button.dataset.outcome] = {
      items: open.length,
      verdicts: traces.map((trace) => trace.dataset.verdict).sort(),
      conditions: [...new Set(traces.map((trace) => trace.dataset.condition))],
      said: document.querySelector("#filters output").textContent,
      pressed: [...document.querySelectorAll("[aria-pressed=true]")].map((each) => each.dataset.outcome),
    };
  }
  document.body.innerHTML = `<pre>${JSON.stringify(shown)}</pre>`;
</script>
"""


@pytest.mark.slow
@pytest.mark.skipif(BROWSER is None, reason="needs Chromium or Chrome")
def test_each_outcome_shows_its_episodes_and_no_other(write_run, tmp_path: Path):
    html = render(load_runs([write_run()]), [])
    html = re.sub(r'<meta http-equiv="Content-Security-Policy"[^>]*>', "", html)  # the page allows its own script alone
    page = tmp_path / "page.html"
    page.write_text(html.replace("</body>", PRESS_EVERY_BUTTON + "</body>"))
    command = [str(BROWSER), "--headless", "--no-sandbox", "--disable-gpu", "--dump-dom", page.as_uri()]
    dumped = subprocess.run(command, capture_output=True, text=True, timeout=120, check=True).stdout
    shown = json.loads(re.search(r"<pre>(.*)</pre>", dumped)[1])
    assert {outcome: each["verdicts"] for outcome, each in shown.items()} == {
        "all": ["malformed", "right", "right", "wrong", "wrong"],
        "right": ["right", "right"],
        "wrong": ["malformed", "wrong", "wrong"],
        "helped": ["right"],
        "hurt": ["malformed", "wrong"],
        "malformed": ["malformed"],
    }
    for outcome, each in shown.items():
        assert each["items"] == len(each["verdicts"])
        assert each["said"] == f"{each['items']} of 5 items"
        assert each["conditions"] == ["think_twice"]
        assert each["pressed"] == [outcome]
