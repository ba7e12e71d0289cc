import json

import numpy as np
import pytest


@pytest.fixture(scope="session")
def golden(shared):
    """Values computed elsewhere: SciPy and an independent route, see the file's own notes."""
    return json.loads((shared / "golden" / "statistics.json").read_text())


@pytest.fixture(scope="session")
def arrays(golden):
    return {name: np.array(values) for name, values in golden["arrays"].items()}
