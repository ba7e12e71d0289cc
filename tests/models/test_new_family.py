"""A family that nobody has heard of: refused where its inside matters, and at home after one entry."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn
from transformers import AutoConfig, AutoModelForSequenceClassification, PreTrainedConfig, PreTrainedModel
from transformers.modeling_outputs import SequenceClassifierOutput

from stabbench import Suite, models
from stabbench.cli import main
from stabbench.errors import StabbenchError
from stabbench.models import families
from stabbench.models.structure import depths_of, layers_of, pooler_of
from stabbench.planning import PlanOptions, plan_group
from stabbench.recipe import Recipe
from stabbench.requests import Request
from stabbench.strategies.catalog import parse_strategy
from stabbench.training.cache import Cache
from stabbench.training.loop import train


class TideConfig(PreTrainedConfig):
    model_type = "tide"

    def __init__(self, width: int = 8, waves: int = 3, wetness: float = 0.1, reach: int = 20, **rest: Any):
        self.width, self.waves, self.wetness, self.reach = width, waves, wetness, reach
        super().__init__(**rest)


class TideBase(PreTrainedModel):
    config_class = TideConfig
    base_model_prefix = "tide"

    def _init_weights(self, module: nn.Module) -> None:
        if isinstance(module, nn.Linear | nn.Embedding):
            module.weight.data.normal_(0.0, 0.5)


class TideModel(TideBase):
    def __init__(self, config: TideConfig):
        super().__init__(config)
        self.words = nn.Embedding(60, config.width)
        self.waves = nn.ModuleList(nn.Linear(config.width, config.width) for _ in range(config.waves))
        self.shore = nn.LayerNorm(config.width)
        self.dropout = nn.Dropout(config.wetness)
        self.post_init()

    def forward(self, input_ids: torch.Tensor, attention_mask: torch.Tensor) -> torch.Tensor:
        x = self.words(input_ids)
        for wave in self.waves:
            x = x + torch.tanh(wave(self.dropout(x)))
        shown = attention_mask.unsqueeze(-1)
        return (self.shore(x) * shown).sum(1) / shown.sum(1)


class TideForSequenceClassification(TideBase):
    def __init__(self, config: TideConfig):
        super().__init__(config)
        self.tide = TideModel(config)
        self.head = nn.Linear(config.width, config.num_labels)
        self.post_init()

    def forward(
        self,
        input_ids: torch.Tensor,
        attention_mask: torch.Tensor,
        labels: torch.Tensor | None = None,
        **_: Any,
    ) -> SequenceClassifierOutput:
        logits = self.head(self.tide(input_ids, attention_mask))
        loss = None if labels is None else nn.functional.cross_entropy(logits, labels)
        return SequenceClassifierOutput(loss=loss, logits=logits)


AutoConfig.register("tide", TideConfig, exist_ok=True)
AutoModelForSequenceClassification.register(TideConfig, TideForSequenceClassification, exist_ok=True)

TIDE = families.Family(
    label="Tide",
    model_types=("tide",),
    recipe=Recipe(beta2=0.9),
    dropout={"hidden_dropout": "wetness"},
    longest_input=lambda config: config["reach"],
    n_layers="waves",
    layers="waves",
    final_norm="shore",
    query_and_value=("2",),
)


@pytest.fixture(scope="module")
def tide(tmp_path_factory: pytest.TempPathFactory, toy) -> Path:
    """Return the folder of a model whose family is in no table."""
    folder = tmp_path_factory.mktemp("tide") / "tiny-tide"
    torch.manual_seed(0)
    TideForSequenceClassification(TideConfig(num_labels=2)).save_pretrained(folder)
    for path in toy.model.glob("*token*"):
        shutil.copy(path, folder)
    return folder


@pytest.fixture
def entry(monkeypatch: pytest.MonkeyPatch) -> None:
    """Add the one entry."""
    models.resolve.cache_clear()
    monkeypatch.setattr(families, "FAMILIES", (*families.FAMILIES, TIDE))


def plan(toy, tide: Path, strategy: str, **overrides: object) -> Request:
    models.resolve.cache_clear()
    suite = Suite(task=toy.register(), models=[str(tide)], seeds=1)
    options = PlanOptions(max_steps=8, overrides=overrides)
    return plan_group(suite, "toy", str(tide), strategy, options).requests[0]


@pytest.mark.parametrize(
    "strategy", ["llrd", "reinit:layers=1", "lora", "pretrained-decay:head=zero", "mixout+llrd"]
)
def test_an_unknown_family_is_refused_at_planning_where_its_inside_matters(toy, tide, strategy: str) -> None:
    with pytest.raises(StabbenchError, match="where tide models keep their parts is not known here"):
        plan(toy, tide, strategy)


@pytest.mark.parametrize("strategy", ["ours", "reinit:layers=0", "pretrained-decay", "mixout", "noisytune"])
def test_elsewhere_it_is_trained(toy, tide, strategy: str) -> None:
    trained = train(plan(toy, tide, strategy), Cache(), torch.device("cpu"))
    assert trained.record.status == "completed"


@pytest.mark.parametrize("name", ["hidden_dropout", "attention_dropout", "classifier_dropout"])
def test_a_dropout_rate_that_would_change_nothing_but_the_key_is_refused(toy, tide, name: str) -> None:
    with pytest.raises(StabbenchError, match=f"{name}=0.3 would change nothing"):
        plan(toy, tide, "ours", **{name: 0.3})


@pytest.mark.usefixtures("entry")
def test_one_entry_says_where_the_layers_are(toy, tide) -> None:
    model = TideForSequenceClassification.from_pretrained(tide)
    assert layers_of(model) == list(model.tide.waves)
    assert pooler_of(model) is None
    depths = {name: depths_of(model)[parameter] for name, parameter in model.named_parameters()}
    assert {name.rpartition(".")[0]: depth for name, depth in depths.items()} == {
        "tide.words": 4,
        "tide.waves.0": 3,
        "tide.waves.1": 2,
        "tide.waves.2": 1,
        "tide.shore": 0,
        "head": 0,
    }


@pytest.mark.usefixtures("entry")
def test_one_entry_makes_strategies_work(toy, tide) -> None:
    record = train(plan(toy, tide, "reinit:layers=2+llrd"), Cache(), torch.device("cpu")).record
    assert record.status == "completed"
    assert record.layers == ("encoder", "layer.0", "layer.1", "layer.2", "head")
    model = TideForSequenceClassification.from_pretrained(tide)
    groups = parse_strategy("llrd:decay=0.5")[0].parameter_groups(model, Recipe(learning_rate=1.0))
    rates = {parameter: group["lr"] for group in groups for parameter in group["params"]}
    assert [rates[wave.weight] for wave in model.tide.waves] == [0.125, 0.25, 0.5]
    parse_strategy("lora")[0].prepare(model, torch.Generator().manual_seed(0))
    adapters = {name for name, _ in model.named_parameters() if "lora_" in name}
    assert {name.partition(".lora_")[0] for name in adapters} == {"tide.waves.2"}
    with pytest.raises(StabbenchError, match="it has 3 layers, fewer than layers=4"):
        plan(toy, tide, "reinit:layers=4")


@pytest.mark.usefixtures("entry")
def test_one_entry_makes_recipes_and_dropout_work(toy, tide) -> None:
    recipe = plan(toy, tide, "devlin").work.recipe
    assert (recipe.beta2, recipe.hidden_dropout, recipe.classifier_dropout) == (0.9, 0.1, None)
    assert recipe.max_length == 20
    changed = plan(toy, tide, "devlin", hidden_dropout=0.4)
    loaded = Cache().pretrained(changed)
    assert {module.p for module in loaded.model.modules() if isinstance(module, nn.Dropout)} == {0.4}
    with pytest.raises(StabbenchError, match=r"attention_dropout=0\.3 would change nothing"):
        plan(toy, tide, "devlin", attention_dropout=0.3)
    with pytest.raises(StabbenchError, match="more than the 20 tokens"):
        plan(toy, tide, "devlin", max_length=21)


@pytest.mark.usefixtures("entry")
def test_one_entry_is_listed(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["ls", "--strategies", "-v"]) == 0
    lines = [line for line in capsys.readouterr().out.splitlines() if " models: " in line]
    assert lines
    assert all(line.endswith(", Tide") for line in lines)
