import random

import pytest
from transformers import PreTrainedTokenizerFast

from vitar.training.base.corpus import corpus
from vitar.training.base.tokenizer import COORDINATE_STEP, build_tokenizer, near_tokens


@pytest.fixture(scope="module")
def tokenizer() -> PreTrainedTokenizerFast:
    return build_tokenizer(corpus(0), 1024)


def test_any_text_round_trips(tokenizer: PreTrainedTokenizerFast) -> None:
    rng = random.Random(0)
    texts = ["", " ", "Größe 37 µm\n\t✓", "<tool_call>\n{}\n</tool_call>", "a<answer>B</answer>"]
    texts += ["".join(chr(rng.choice([rng.randrange(32, 127), rng.randrange(160, 0x2000)])) for _ in range(40))]
    for text in texts:
        assert tokenizer.decode(tokenizer(text)["input_ids"]) == text


def test_every_coordinate_is_one_token_first_in_a_list_and_later(tokenizer: PreTrainedTokenizerFast) -> None:
    for n in range(0, 1001, COORDINATE_STEP):
        assert tokenizer.tokenize(f"[{n}, {n}]") == ["[", f"{n}", ",", f"Ġ{n}", "]"]


def test_same_corpus_gives_the_same_tokens(tokenizer: PreTrainedTokenizerFast) -> None:
    assert build_tokenizer(corpus(0), 1024).get_vocab() == tokenizer.get_vocab()


def test_tags_are_text_that_decoding_keeps(tokenizer: PreTrainedTokenizerFast) -> None:
    ids = tokenizer("<answer>yes</answer><|im_end|>")["input_ids"]
    assert tokenizer.decode(ids, skip_special_tokens=True) == "<answer>yes</answer>"


def test_neighbours_of_a_coordinate_share_its_target(tokenizer: PreTrainedTokenizerFast) -> None:
    ids, weights = near_tokens(tokenizer, 1024)
    assert weights.sum(-1).allclose(weights.new_ones(1024))
    (token,) = tokenizer.convert_tokens_to_ids(["Ġ310"])
    assert tokenizer.convert_ids_to_tokens(ids[token].tolist()) == ["Ġ310", "Ġ300", "Ġ320", "Ġ290", "Ġ330"]
    for word in ("0", "A", "Ġnodule"):
        (token,) = tokenizer.convert_tokens_to_ids([word])
        assert ids[token, 0] == token
        assert weights[token, 0] == 1
