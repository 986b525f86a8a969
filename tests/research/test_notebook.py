"""A notebook: its cells run in a kernel, and what they show is the report and tables."""

from pathlib import Path

import nbformat
from nbclient import NotebookClient

NOTEBOOK = Path(__file__).parents[2] / "docs" / "notebooks" / "backtest.ipynb"


def test_the_notebook_runs_and_shows_the_report(tmp_path: Path) -> None:
    notebook = nbformat.read(NOTEBOOK, as_version=4)
    assert not any(cell.get("outputs") for cell in notebook.cells), "it is kept without outputs"
    client = NotebookClient(
        notebook, kernel_name="python3", timeout=120, resources={"metadata": {"path": str(tmp_path)}}
    )
    client.execute()
    shown = [output for cell in notebook.cells for output in cell.get("outputs", ())]
    assert not [output for output in shown if output.output_type == "stream" and output.name == "stderr"]
    pages = [output["data"]["text/html"] for output in shown if "text/html" in output.get("data", {})]
    assert any(page.startswith("<iframe") for page in pages)
    assert any("exit_reason" in page for page in pages)
    texts = [output["data"]["text/plain"] for output in shown if "text/plain" in output.get("data", {})]
    assert "True" in texts
