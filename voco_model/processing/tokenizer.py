"""A byte-level tokenizer for the small models: nothing to train, nothing to download, every text representable."""

from tokenizers import Tokenizer, decoders, models, pre_tokenizers
from transformers import PreTrainedTokenizerFast

from voco_model.errors import VocoError

VOCO_TOKEN = "<voco>"
SPECIAL = ("<s>", "</s>", "<pad>", VOCO_TOKEN, "<|im_start|>", "<|im_end|>")


def byte_tokenizer() -> PreTrainedTokenizerFast:
    """Ids 0 to 255 are the bytes, then come the special tokens of `SPECIAL`."""
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    vocabulary = {symbol: number for number, symbol in enumerate(alphabet)}
    tokenizer = Tokenizer(models.BPE(vocab=vocabulary, merges=[]))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.add_special_tokens(list(SPECIAL))
    return with_specials(tokenizer)


def with_specials(tokenizer: Tokenizer) -> PreTrainedTokenizerFast:
    """A tokenizer that holds `SPECIAL`, as Hugging Face wants it: each special token in its part."""
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        bos_token="<s>",
        eos_token="</s>",
        pad_token="<pad>",
        additional_special_tokens=list(SPECIAL[3:]),
        clean_up_tokenization_spaces=False,
    )


def voco_id(tokenizer: PreTrainedTokenizerFast) -> int:
    """The id of the VoCo token, which the tokenizer must have."""
    found = tokenizer.get_added_vocab().get(VOCO_TOKEN)
    if found is None:
        raise VocoError(f"the tokenizer has no {VOCO_TOKEN} token; add it with add_voco_token(tokenizer)")
    return found


def add_voco_token(tokenizer: PreTrainedTokenizerFast) -> int:
    """Give a tokenizer the VoCo token, and a padding token where it has none; the VoCo token's id."""
    tokenizer.add_tokens([VOCO_TOKEN], special_tokens=True)
    if tokenizer.pad_token_id is None:
        tokenizer.pad_token = tokenizer.unk_token or tokenizer.eos_token
    return voco_id(tokenizer)
