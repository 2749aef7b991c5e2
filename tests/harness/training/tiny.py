"""Tiny random models in Hugging Face format with real tokenizers, made on the spot: training on them takes seconds."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from tests.extras import required

torch = required("torch")
transformers = required("transformers")
tokenizers = required("tokenizers")
torch.set_num_threads(1)  # two threads on models this small wait for each other more than they compute

# Short forms of the public chat formats: what stands where is theirs, the extras of the full templates (tools, dates) are left
# out.
CHATML = (
    "{% for message in messages %}<|im_start|>{{ message['role'] }}\n{{ message['content'] }}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)
"""SmolLM2 and Qwen."""
LLAMA3 = (
    "<|begin_of_text|>{% for message in messages %}<|start_header_id|>{{ message['role'] }}<|end_header_id|>\n\n"
    "{{ message['content'] | trim }}<|eot_id|>{% endfor %}"
    "{% if add_generation_prompt %}<|start_header_id|>assistant<|end_header_id|>\n\n{% endif %}"
)
MISTRAL = (
    "<s>{% for message in messages %}{% if message['role'] == 'user' %}[INST] {{ message['content'] }}[/INST]"
    "{% else %} {{ message['content'] | trim }}</s>{% endif %}{% endfor %}"
)
ZEPHYR = (
    "{% for message in messages %}<|{{ message['role'] }}|>\n{{ message['content'] }}</s>\n{% endfor %}"
    "{% if add_generation_prompt %}<|assistant|>\n{% endif %}"
)
TEMPLATES = {
    "chatml": (CHATML, ["<|im_start|>", "<|im_end|>"], "<|im_end|>"),
    "llama3": (
        LLAMA3,
        ["<|begin_of_text|>", "<|start_header_id|>", "<|end_header_id|>", "<|eot_id|>"],
        "<|eot_id|>",
    ),
    "mistral": (MISTRAL, ["<s>", "</s>", "[INST]", "[/INST]"], "</s>"),
    "zephyr": (ZEPHYR, ["<s>", "</s>"], "</s>"),
}
"""Name -> template, special tokens, the one that ends a turn."""
WORDS = """You advise Ann, who talks with Bob. Strategy: ask him what he needs first, then offer half of the apples. None
Bob said: "I want the book" and left. go to the fridge 1, open it, take the apple 2 from it. plan 0 1 2 3 4 5 6 7 8 9"""


def tokenizer(name: str = "chatml") -> Any:
    """A byte-level BPE tokenizer with the template of that name; it can encode any text."""
    template, special, end = TEMPLATES[name]
    core = tokenizers.Tokenizer(tokenizers.models.BPE())
    core.pre_tokenizer = tokenizers.pre_tokenizers.ByteLevel(add_prefix_space=False)
    core.decoder = tokenizers.decoders.ByteLevel()
    alphabet = tokenizers.pre_tokenizers.ByteLevel.alphabet()
    trainer = tokenizers.trainers.BpeTrainer(
        vocab_size=400, special_tokens=["<pad>", *special], initial_alphabet=sorted(alphabet), show_progress=False
    )
    core.train_from_iterator([WORDS] * 2, trainer)
    return transformers.PreTrainedTokenizerFast(
        tokenizer_object=core, eos_token=end, pad_token="<pad>", chat_template=template
    )


def model(seed: int = 0, vocabulary: int = 420, **changes: Any) -> Any:
    """A Llama of two layers with random weights, as `dtype` says (float32)."""
    config = transformers.LlamaConfig(
        **{
            "vocab_size": vocabulary,
            "hidden_size": 32,
            "intermediate_size": 64,
            "num_hidden_layers": 2,
            "num_attention_heads": 4,
            "num_key_value_heads": 2,
            "max_position_embeddings": 2048,
            "tie_word_embeddings": True,
            "initializer_range": 0.2,
            **changes,
        }
    )
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        return transformers.LlamaForCausalLM(config)


def save(folder: Path, name: str = "chatml", seed: int = 0, **changes: Any) -> Path:
    """Model and tokenizer as a folder."""
    model(seed, **changes).save_pretrained(folder)
    tokenizer(name).save_pretrained(folder)
    return folder
