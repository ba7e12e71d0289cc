"""Devices: what is not there is refused before anything starts, whoever the user is."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

import pytest
import torch

from stabbench.errors import StabbenchError
from stabbench.executors.devices import check_devices
from stabbench.training import devices, environment
from stabbench.training.devices import NoSlotError, lease_device

ABSENT = ["tpu", "meta", "cpu:1", "cuda:99", "xpu:99", "", "gpu", "mkldnn", "vulkan", "cuda:x", "cpu:-1"]
if not torch.backends.mps.is_available():
    ABSENT.append("mps")


@pytest.mark.parametrize("name", ABSENT)
def test_what_is_not_there_is_refused(name: str) -> None:
    with pytest.raises(StabbenchError, match=r"not a device|is not there|no device to train on") as refused:
        lease_device((name,))
    assert "--stab-devices" in refused.value.action


def test_the_cpu_is_always_there() -> None:
    assert lease_device(("cpu",)) == (torch.device("cpu"), None)
    assert lease_device(("cpu:0", "cpu")) == (torch.device("cpu"), None)


def test_a_session_asks_once_and_without_torch(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """And who asks torch does not mean a file of the current folder."""
    (tmp_path / "torch.py").write_text("raise ImportError('this is not torch')\n")
    monkeypatch.chdir(tmp_path)
    check_devices(("cpu", "cpu"))
    with pytest.raises(StabbenchError, match="cuda:99 is not there"):
        check_devices(("cpu", "cuda:99"))


def test_a_user_without_a_name_can_lease(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """In a container a user's number may stand in no passwd file."""
    import getpass
    import pwd

    def nobody(*_: object) -> None:
        raise KeyError("getpwuid(): uid not found")

    for name in ("LOGNAME", "USER", "LNAME", "USERNAME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(pwd, "getpwuid", nobody)
    monkeypatch.setattr(getpass, "getuser", nobody)
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    monkeypatch.setattr(devices, "has_room", lambda name: True)
    leases = [lease_device(("cuda:0", "cuda:1")) for _ in range(3)]
    assert [str(device) for device, _ in leases] == ["cuda:0", "cuda:1", "cuda:0"]
    assert str(os.getuid()) in next(tmp_path.iterdir()).name
    for _, lease in leases:
        assert lease is not None
        lease.release()


@pytest.fixture
def two_gpus(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    monkeypatch.setattr(devices, "PATIENCE_SECONDS", 0.0)


def test_a_gpu_takes_few_runs(two_gpus: None, monkeypatch: pytest.MonkeyPatch) -> None:
    """Twice as many whose steps are not captured; who finds no slot finds the one that is given back."""
    monkeypatch.setattr(devices, "has_room", lambda name: True)
    assert (devices.slots(captured=True), devices.slots(captured=False)) == (2, 4)
    names = ("cuda:0", "cuda:1")
    leases = [lease_device(names, 2) for _ in range(4)]
    assert [str(device) for device, _ in leases] == ["cuda:0", "cuda:1"] * 2
    with pytest.raises(NoSlotError, match="as many runs as it takes"):
        lease_device(names, 2)
    assert str(lease_device(names, 4)[0]) == "cuda:0"
    assert leases[1][1] is not None
    leases[1][1].release()
    assert str(lease_device(names, 2)[0]) == "cuda:1"


def test_a_gpu_is_not_shared_when_its_memory_is_full(two_gpus: None, monkeypatch: pytest.MonkeyPatch) -> None:
    free = {"cuda:0": devices.RUN_BYTES - 1, "cuda:1": devices.RUN_BYTES}
    monkeypatch.setattr(torch.cuda, "mem_get_info", lambda name: (free[name], 80 * 10**9))
    leases = [lease_device(("cuda:0", "cuda:1")) for _ in range(3)]
    assert [str(device) for device, _ in leases] == ["cuda:0", "cuda:1", "cuda:1"]


def test_a_record_says_deterministic_only_where_that_is_enforced(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "get_device_name", lambda device: "a GPU")
    before = (
        torch.are_deterministic_algorithms_enabled(),
        torch.is_deterministic_algorithms_warn_only_enabled(),
    )
    try:
        found = {}
        for enabled, warn_only in ((True, True), (True, False), (False, False)):
            torch.use_deterministic_algorithms(enabled, warn_only=warn_only)
            for kind in ("cpu", "cuda"):
                said = environment.describe(torch.device(kind), "eager", "modules")["deterministic"]
                found[kind, enabled, warn_only] = said
    finally:
        torch.use_deterministic_algorithms(before[0], warn_only=before[1])
    assert found == {
        ("cpu", True, True): True,
        ("cuda", True, True): "warn only",
        ("cpu", True, False): True,
        ("cuda", True, False): True,
        ("cpu", False, False): False,
        ("cuda", False, False): False,
    }
