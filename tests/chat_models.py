"""Tiny chat models in the style of each family: tokenizer, template, generation settings."""

from pathlib import Path
from typing import Any, NamedTuple

import torch
from tokenizer_families import FAMILIES
from tokenizers import processors
from transformers import GenerationConfig, LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

CHATML = """{%- for message in messages %}
    {%- if loop.first and message.role != 'system' %}
        {{- '<|im_start|>system\\nYou are a helpful assistant.<|im_end|>\\n' }}
    {%- endif %}
    {{- '<|im_start|>' + message.role + '\\n' + message.content + '<|im_end|>\\n' }}
{%- endfor %}
{%- if add_generation_prompt %}{{- '<|im_start|>assistant\\n' }}{%- endif %}"""

QWEN = """{%- if tools %}
    {{- '<|im_start|>system\\n# Tools\\n' }}
    {%- for tool in tools %}{{- tool | tojson + '\\n' }}{%- endfor %}
    {{- '<|im_end|>\\n' }}
{%- endif %}
{%- for message in messages %}
    {%- if message.role == 'tool' %}
        {{- '<|im_start|>user\\n<tool_response>\\n' + message.content + '\\n</tool_response>' }}
    {%- else %}
        {%- set said = message.content %}
        {%- if message.role == 'assistant' and '</think>' in said and not loop.last %}
            {%- set said = said.split('</think>')[-1].lstrip('\\n') %}
        {%- endif %}
        {{- '<|im_start|>' + message.role + '\\n' + said }}
        {%- for call in message.tool_calls or [] %}
            {{- '\\n<tool_call>\\n' + call.function | tojson + '\\n</tool_call>' }}
        {%- endfor %}
    {%- endif %}
    {{- '<|im_end|>\\n' }}
{%- endfor %}
{%- if add_generation_prompt %}{{- '<|im_start|>assistant\\n' }}{%- endif %}"""

LLAMA = """{{- bos_token }}
{%- for message in messages %}
    {{- '<|start_header_id|>' + message.role + '<|end_header_id|>\\n\\n' }}
    {{- message.content | trim + '<|eot_id|>' }}
{%- endfor %}
{%- if add_generation_prompt %}
    {{- '<|start_header_id|>assistant<|end_header_id|>\\n\\n' }}
{%- endif %}"""

GEMMA = """{{- bos_token }}
{%- if messages[0].role == 'system' %}
    {{- raise_exception('System role not supported') }}
{%- endif %}
{%- for message in messages %}
    {%- if (message.role == 'user') != (loop.index0 % 2 == 0) %}
        {{- raise_exception('Conversation roles must alternate user/assistant/user/...') }}
    {%- endif %}
    {%- set role = 'model' if message.role == 'assistant' else message.role %}
    {{- '<start_of_turn>' + role + '\\n' + message.content | trim + '<end_of_turn>\\n' }}
{%- endfor %}
{%- if add_generation_prompt %}{{- '<start_of_turn>model\\n' }}{%- endif %}"""

MISTRAL = """{{- bos_token }}
{%- if messages[0].role == 'system' %}
    {%- set told = messages[0].content + '\\n\\n' %}{%- set spoken = messages[1:] %}
{%- else %}{%- set told = '' %}{%- set spoken = messages %}{%- endif %}
{%- for message in spoken %}
    {%- if message.role == 'user' %}
        {{- '[INST] ' + (told if loop.last else '') + message.content + ' [/INST]' }}
    {%- elif message.role == 'assistant' %}{{- ' ' + message.content + eos_token }}
    {%- else %}{{- raise_exception('Only user and assistant roles are supported!') }}{%- endif %}
{%- endfor %}"""


class Style(NamedTuple):
    """What makes a family's chat models what they are."""

    tokenizer: str
    template: str
    bos: str | None
    eos: str
    pad: str
    special: tuple[str, ...] = ()
    begins: bool = True
    """Whether the tokenizer puts its BOS before a text."""
    ends: tuple[str, ...] = ()
    """Further end tokens of the generation settings."""
    end: str = ""
    """What a turn ends with."""


IM = ("<|im_start|>", "<|im_end|>")
HEADERS = ("<|start_header_id|>", "<|end_header_id|>", "<|eot_id|>", "<|eom_id|>")
STYLES = {
    "qwen2": Style(
        "tiktoken_like", QWEN, None, "<|im_end|>", "<pad>", IM, ends=("</s>",), end="<|im_end|>"
    ),
    "smollm2": Style("byte_level", CHATML, IM[0], IM[1], IM[1], IM, begins=False, end=IM[1]),
    "chatml, pad is unknown": Style("byte_level", CHATML, None, "</s>", "<unk>", IM, end=IM[1]),
    "llama3": Style(
        *("tiktoken_like", LLAMA, "<s>", "</s>", "</s>", HEADERS),
        ends=("<|eot_id|>", "<|eom_id|>"),
        end="<|eot_id|>",
    ),
    "gemma": Style(
        *("llama_like", GEMMA, "<s>", "</s>", "<pad>", ("<start_of_turn>", "<end_of_turn>")),
        ends=("<end_of_turn>",),
        end="<end_of_turn>",
    ),
    "mistral": Style("llama_like", MISTRAL, "<s>", "</s>", "<unk>", end="</s>"),
    "unigram chatml": Style("pieces", CHATML, "<s>", "</s>", "<pad>", IM, end=IM[1]),
}


def chat_tokenizer(name: str) -> PreTrainedTokenizerFast:
    """The tokenizer of a style, with its template."""
    style = STYLES[name]
    made = FAMILIES[style.tokenizer]()
    made.add_special_tokens(list(style.special))
    if style.bos and style.begins:
        made.post_processor = processors.TemplateProcessing(
            single=f"{style.bos} $A", special_tokens=[(style.bos, made.token_to_id(style.bos))]
        )
    begin: dict[str, Any] = {} if style.bos is None else {"bos_token": style.bos}
    return PreTrainedTokenizerFast(
        tokenizer_object=made,
        eos_token=style.eos,
        pad_token=style.pad,
        unk_token="<unk>",
        extra_special_tokens=list(style.special),
        chat_template=style.template,
        **begin,
    )


def chat_folder(name: str, folder: Path, dtype: torch.dtype = torch.float32) -> Path:
    """Save a tiny random chat model of a style."""
    tokenizer, style = chat_tokenizer(name), STYLES[name]
    with torch.random.fork_rng():
        torch.manual_seed(0)
        model = LlamaForCausalLM(
            LlamaConfig(
                vocab_size=len(tokenizer),
                hidden_size=32,
                intermediate_size=64,
                num_hidden_layers=2,
                num_attention_heads=2,
                max_position_embeddings=256,
                bos_token_id=tokenizer.bos_token_id,
                eos_token_id=tokenizer.eos_token_id,
                pad_token_id=tokenizer.pad_token_id,
                initializer_range=0.2,
            )
        ).to(dtype)
    ends = [tokenizer.eos_token_id, *map(tokenizer.convert_tokens_to_ids, style.ends)]
    model.generation_config = GenerationConfig(
        bos_token_id=tokenizer.bos_token_id,
        eos_token_id=ends if len(ends) > 1 else ends[0],
        pad_token_id=tokenizer.pad_token_id,
        temperature=0.6,
        top_p=0.9,
        do_sample=True,
    )
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder
