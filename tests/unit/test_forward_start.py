"""A pass that starts later, heads silenced by a vector or in one row only, and what the heads carry."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import transformers as hf

from mlm_viz.errors import ModelError
from mlm_viz.model import Model
from tests.tiny import TINY
from tests.unit.test_forward import rows_of

ModelOf = Callable[[str], Model]
NAMES = sorted(TINY)
MIXERS = ("attention.output.dense", "attention.out_lin", "attn.Wo", "attention.dense")
LAYERS = ("encoder.layer", "transformer.layer", "model.layers", "albert_layers")
SLOTS = np.array([[0, 4], [1, 2], [2, 1]])


@torch.inference_mode()
def watch(network: Any, ids: np.ndarray, names: tuple[str, ...]) -> list[torch.Tensor]:
    """What goes into the modules whose names end so, call by call: a shared module is called once a layer."""
    seen: list[torch.Tensor] = []
    modules = [module for name, module in network.named_modules() if name.endswith(names)]
    handles = [module.register_forward_pre_hook(lambda _m, args: seen.append(args[0].clone())) for module in modules]
    network(input_ids=torch.tensor(ids))
    for handle in handles:
        handle.remove()
    return seen


def left_behind(model: Model) -> list[str]:
    modules = dict(model.network.named_modules())
    return [name for name, module in modules.items() if module._forward_pre_hooks or "forward" in vars(module)]


@pytest.mark.parametrize("name", NAMES)
def test_a_pass_may_start_in_front_of_any_layer(name: str, tiny_model: ModelOf) -> None:
    model = tiny_model(name)
    rows = rows_of(model, name)
    whole = model.forward(rows, slots=SLOTS, hidden=True)
    for layer in range(model.layers):
        late = model.forward(rows, slots=SLOTS, hidden=True, start=(layer, whole.hidden[:, layer]))
        np.testing.assert_array_equal(late.log2_probs, whole.log2_probs)
        np.testing.assert_array_equal(late.hidden, whole.hidden[:, layer:])
    assert left_behind(model) == []


@pytest.mark.parametrize("name", NAMES)
def test_what_was_computed_before_does_not_matter(name: str, tiny_model: ModelOf) -> None:
    """Other tokens with the same states: were a layer before the start run after all, it would show."""
    model = tiny_model(name)
    rows = rows_of(model, name)
    whole = model.forward(rows, slots=SLOTS, hidden=True)
    others = np.roll(rows, 1, axis=1)
    for layer in range(1, model.layers):
        late = model.forward(others, slots=SLOTS, start=(layer, whole.hidden[:, layer])).log2_probs
        np.testing.assert_allclose(late, whole.log2_probs, atol=1e-4)


@pytest.mark.parametrize("name", NAMES)
def test_layers_before_the_start_are_not_run(name: str, tiny_model: ModelOf) -> None:
    model = tiny_model(name)
    ids = rows_of(model, name)[:1]
    hidden = model.forward(ids, hidden=True).hidden
    ran: list[int] = []
    mixers = {module for path, module in model.network.named_modules() if path.endswith(MIXERS)}
    handles = [mixer.register_forward_hook(lambda *_: ran.append(1)) for mixer in mixers]
    for layer in range(model.layers + 1):
        ran.clear()
        model.forward(ids, start=(layer, hidden[:, layer]))
        assert len(ran) == model.layers - layer
    for handle in handles:
        handle.remove()


@pytest.mark.parametrize("name", NAMES)
def test_behind_the_last_layer_only_the_head_is_left(name: str, tiny_model: ModelOf) -> None:
    """What the last layer of plain transformers hands out, before any last normalisation."""
    model = tiny_model(name)
    rows = rows_of(model, name)
    last: list[torch.Tensor] = []
    modules = [m for path, m in model.network.named_modules() if path.rsplit(".", 1)[0].endswith(LAYERS)]
    hooks = [m.register_forward_hook(lambda _m, _a, out: last.append(out[0] if isinstance(out, tuple) else out))
             for m in modules]  # fmt: skip
    whole = model.forward(rows, slots=SLOTS)
    for hook in hooks:
        hook.remove()
    late = model.forward(rows, slots=SLOTS, start=(model.layers, last[-1].numpy()))
    np.testing.assert_allclose(late.log2_probs, whole.log2_probs, atol=1e-5)


@pytest.mark.parametrize("name", NAMES)
def test_a_late_start_goes_with_masks_attention_and_silenced_heads(name: str, tiny_model: ModelOf) -> None:
    model = tiny_model(name)
    rows = rows_of(model, name)
    tokens, last = rows.shape[1], model.layers - 1
    allowed = np.ones((3, 1, tokens, tokens), dtype=np.bool_)
    allowed[1, 0, :, 1] = False
    allowed[2, 0] = np.tri(tokens, dtype=np.bool_)
    silent = [(1, 2), (last, 0)]
    how: dict[str, Any] = {"slots": SLOTS, "allowed": allowed, "silenced": silent, "attention": "all"}
    whole = model.forward(rows, hidden=True, **how)
    for layer in range(model.layers):
        late = model.forward(rows, start=(layer, whole.hidden[:, layer]), **how)
        np.testing.assert_allclose(late.log2_probs, whole.log2_probs, atol=1e-5)
        np.testing.assert_allclose(late.attention, whole.attention[:, layer:], atol=1e-6)
    one = model.forward(rows, start=(1, whole.hidden[:, 1]), **{**how, "attention": [last]}).attention
    np.testing.assert_allclose(one, whole.attention[:, [last]], atol=1e-6)
    assert np.abs(whole.log2_probs - model.forward(rows, slots=SLOTS).log2_probs).max() > 1e-2


@pytest.mark.parametrize("name", NAMES)
def test_rows_silence_their_own_heads(name: str, tiny_model: ModelOf) -> None:
    model = tiny_model(name)
    ids = rows_of(model, name)[:1]
    vector = np.linspace(-1, 1, 32 // model.heads, dtype=np.float32)
    groups: list[Any] = [[], [(0, 1)], {(1, 2): vector, (2, 0): None}, [(2, 3), (1, 1)]]
    slots = np.array([[row, 4] for row in range(4)])
    together = model.forward(
        np.repeat(ids, 4, axis=0), slots=slots, silenced=[(0, 0)], silenced_by_row=groups
    ).log2_probs
    for row, group in enumerate(groups):
        own = {(0, 0): None} | (group if isinstance(group, dict) else dict.fromkeys(group))
        alone = model.forward(ids, slots=slots[:1], silenced=own).log2_probs
        np.testing.assert_allclose(together[row], alone[0], atol=1e-4)
    assert len({values.tobytes() for values in together}) == 4


@pytest.mark.parametrize("name", NAMES)
def test_a_head_may_hand_on_a_vector(name: str, tiny_model: ModelOf, tiny_dir: Callable[[str], Path]) -> None:
    """Against plain transformers with a hook that counts the calls of all mixers: the n-th call is the n-th layer."""
    model = tiny_model(name)
    ids = rows_of(model, name)[:1]
    network = hf.AutoModelForMaskedLM.from_pretrained(tiny_dir(name)).eval()
    vector = np.linspace(-1, 1, 32 // model.heads, dtype=np.float32)
    calls = []

    def put(_module: Any, args: tuple[torch.Tensor, ...]) -> tuple[torch.Tensor, ...]:
        calls.append(1)
        if len(calls) == 2:
            args[0][:, :, 16:24] = torch.tensor(vector)
        return args

    for path, module in network.named_modules():
        if path.endswith(MIXERS):
            module.register_forward_pre_hook(put)
    with torch.inference_mode():
        theirs = torch.log_softmax(network(input_ids=torch.tensor(ids)).logits[0, 4], dim=-1).numpy() / np.log(2)
    assert len(calls) == model.layers
    vector.setflags(write=False)
    ours = model.forward(ids, slots=np.array([[0, 4]]), silenced={(1, 2): vector}).log2_probs[0]
    np.testing.assert_allclose(ours, theirs, atol=1e-4)
    zero = model.forward(ids, slots=np.array([[0, 4]]), silenced={(1, 2): None}).log2_probs[0]
    assert np.abs(zero - theirs).max() > 1e-2


@pytest.mark.parametrize("name", NAMES)
def test_attention_times_values_is_what_the_mixer_gets(name: str, tiny_model: ModelOf) -> None:
    """Values by the table of families against what flows in plain transformers."""
    model = tiny_model(name)
    rows = rows_of(model, name)
    seen = model.forward(rows, attention="all", hidden=True)
    handed_on = seen.attention @ model.values(seen.hidden)  # (batch, layers, heads, tokens, width of a head)
    flat = np.swapaxes(handed_on, 2, 3).reshape(3, model.layers, rows.shape[1], 32)
    theirs = torch.stack(watch(model.network, rows, MIXERS), dim=1).numpy()
    np.testing.assert_allclose(flat, theirs, atol=1e-4)


def test_what_cannot_be_is_refused(tiny_model: ModelOf) -> None:
    model = tiny_model("bert")
    ids = model.encode("the ____ runs").ids[None]
    hidden = model.forward(ids, hidden=True).hidden
    for layer in (-1, 4):
        with pytest.raises(ModelError, match="say 0 to 3"):
            model.forward(ids, start=(layer, hidden[:, 0]))
    with pytest.raises(ModelError, match="layers 2 to 2"):
        model.forward(ids, start=(2, hidden[:, 2]), attention=[1])
    with pytest.raises(ModelError, match=r"no head \(3, 0\)"):
        model.forward(ids, silenced_by_row=[[(3, 0)]])
    with pytest.raises((RuntimeError, ValueError, IndexError)):
        model.forward(ids, start=(1, hidden[:, 1, :3]), allowed=np.ones((1, 1, 5, 5), dtype=np.bool_))
    assert left_behind(model) == []
