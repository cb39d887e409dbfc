"""A learned reward: any Hugging Face sequence classifier with one label, and one addition.

A classifier's usual score is read off the last token, which has to remember everything. With the
`config.json` entry `drpo_pooling` the same head scores every token of the answer instead, and the
scores are added up ("sum") or the worst one counts ("min"), so a wrong word costs where it stands.
Small models judge far better so. Without the entry ("last") the score is read off the last token:
for a model trained here, which says `drpo_reads_end`, off the answer's own end token whatever pads;
for one of others exactly as Hugging Face reads it, which skips the end where it is the pad token.

Two ways in. `score_texts` takes strings and tokenises them with the reward model's own tokenizer;
it always works. `score` takes token ids and saves the detour; it is right only when the policy's
tokenizer is the reward model's too, which `shares_tokenizer` tells.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, Literal, cast

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn
from transformers import AutoConfig, PreTrainedModel, PreTrainedTokenizerBase

from drpo.data.pairs import Prompt
from drpo.errors import ModelError, ShapeError, first_line
from drpo.home import brought
from drpo.modeling.chat_template import ChatTemplate, PromptFormat, chat_template
from drpo.modeling.cuts import cut_by_length
from drpo.modeling.forward_pass import accepts
from drpo.modeling.model_loading import (
    context_length,
    end_tokens,
    load_classifier,
    load_tokenizer,
)
from drpo.modeling.token_rows import pad_rows
from drpo.modeling.tokenization import Vocabulary
from drpo.modeling.tokenizer_identity import same_tokenizer

Pooling = Literal["last", "sum", "min"]
POOLINGS: tuple[Pooling, ...] = ("last", "sum", "min")


class RewardModel(nn.Module):
    """A classifier with its tokenizer and its way of making one score out of many.

    Attributes:
        classifier: The Hugging Face model.
        tokenizer: Its tokenizer; None when the folder holds none (then only ids can be scored).
        pooling: "last", "sum" or "min".
        reads_end: Whether "last" is the last token that is attended to, the end token included;
            else it is the last one that is not the pad id, as Hugging Face has it.
        vocabulary: How it reads a prompt and an answer; None without a tokenizer.
        own_format: Whether that is settled by how it was trained or by a template of its own; else
            it reads what a policy with its tokenizer writes.
    """

    def __init__(
        self,
        classifier: PreTrainedModel,
        tokenizer: PreTrainedTokenizerBase | None,
        pooling: Pooling = "last",
        *,
        reads_end: bool = False,
        chat: ChatTemplate | None = None,
        own_format: bool = False,
    ) -> None:
        super().__init__()
        self.classifier = classifier
        self.tokenizer = tokenizer
        self.vocabulary = (
            None
            if tokenizer is None
            else Vocabulary.of(tokenizer, end_tokens(classifier), writes=False, chat=chat)
        )
        self.pooling = pooling
        self.reads_end = reads_end
        self.own_format = own_format or chat is not None
        if pooling != "last":
            self._token_head()  # fail now rather than at the first batch

    def score(
        self,
        input_ids: Int[Tensor, "batch time"],
        attention_mask: Bool[Tensor, "batch time"] | Int[Tensor, "batch time"],
        response_mask: Bool[Tensor, "batch time"],
    ) -> Float[Tensor, " batch"]:
        """Score whole answers, prompt in front, padded left or right.

        Args:
            input_ids: Token ids of prompt, answer and, where the answer ended, its EOS.
            attention_mask: True on real tokens.
            response_mask: True on the answer's tokens, EOS included; "last" does not look at it.

        Returns:
            One score an answer, in the model's own units, float32.
        """
        if self.pooling == "last" and not hasattr(self.classifier, "score"):
            # Encoders and others with a head of their own for the whole text.
            output = self.classifier(input_ids=input_ids, attention_mask=attention_mask.long())
            return cast(Tensor, output.logits).squeeze(-1).float()
        by_token = self.token_scores(input_ids, attention_mask)
        return self.pool(by_token, input_ids, attention_mask, response_mask)

    def pool(
        self,
        by_token: Float[Tensor, "batch time"],
        input_ids: Int[Tensor, "batch time"],
        attention_mask: Bool[Tensor, "batch time"] | Int[Tensor, "batch time"],
        response_mask: Bool[Tensor, "batch time"],
    ) -> Float[Tensor, " batch"]:
        """Make one score of the tokens' scores, as this model does it.

        Raises:
            ShapeError: A row holds no token to score.
        """
        if self.pooling == "last":
            # Hugging Face reads the last token that is not the pad id, whatever the attention mask
            # says; a model trained with pad equal to EOS was so trained to be read before EOS.
            pad = self.classifier.config.get_text_config().pad_token_id
            pad = None if self.reads_end else pad
            counted = attention_mask.bool() & (True if pad is None else input_ids != pad)
        else:
            counted = response_mask.bool()
        if not bool(counted.any(dim=-1).all()):
            raise ShapeError("Expected at least one token to score in every row, got none in one.")
        if self.pooling == "sum":
            return torch.where(counted, by_token, 0.0).sum(dim=-1)
        if self.pooling == "min":
            return torch.where(counted, by_token, torch.inf).amin(dim=-1)
        positions = torch.arange(input_ids.shape[1], device=input_ids.device)
        last = (positions * counted).argmax(dim=-1)
        return by_token.gather(1, last[:, None]).squeeze(1)

    def token_scores(
        self,
        input_ids: Int[Tensor, "batch time"],
        attention_mask: Bool[Tensor, "batch time"] | Int[Tensor, "batch time"],
    ) -> Float[Tensor, "batch time"]:
        """Score every token by what was read up to it; meaningless on padding.

        Raises:
            ModelError: The classifier has no head that can be applied token by token.
        """
        return self.apply_head(self.hidden_states(input_ids, attention_mask))

    def hidden_states(
        self,
        input_ids: Int[Tensor, "batch time"],
        attention_mask: Bool[Tensor, "batch time"] | Int[Tensor, "batch time"],
    ) -> Float[Tensor, "batch time width"]:
        """The last layer's output, with positions counted from each row's first real token."""
        if self._reads_forward and bool(attention_mask[:, 0].all()):
            # Padding stands behind, where no real token sees it: no mask, so attention takes its
            # fastest way and keeps nothing the size of a square of the text.
            output = self.classifier.base_model(input_ids=input_ids, use_cache=False)
            return cast(Tensor, output.last_hidden_state)
        attended = attention_mask.long()
        positions = (attended.cumsum(-1) - 1).clamp(min=0)
        extra: dict[str, Any] = {"use_cache": False, "position_ids": positions}
        body = self.classifier.base_model
        output = body(
            input_ids=input_ids,
            attention_mask=attended,
            **{name: value for name, value in extra.items() if accepts(body, name)},
        )
        return cast(Tensor, output.last_hidden_state)

    def apply_head(self, hidden: Float[Tensor, "batch time width"]) -> Float[Tensor, "batch time"]:
        """Score hidden states with the classifier's head."""
        head = self._token_head()
        with torch.autocast(hidden.device.type, enabled=False):
            # A head that is trained here is float32, whatever its body is in.
            kind = next(head.parameters()).dtype
            return cast(Tensor, head(hidden.to(kind))).squeeze(-1).float()

    def shares_tokenizer(self, other: PreTrainedTokenizerBase) -> bool:
        """Whether ids made by `other` mean the same here."""
        return self.tokenizer is not None and same_tokenizer(self.tokenizer, other)

    def reads_like(self, other: Vocabulary) -> bool:
        """Whether `other` writes a prompt and its answer in the ids that are read here.

        Then `score` may take them. A reward model that was saved without a template of its own, its
        tokenizer being the policy's, reads what the policy writes.
        """
        own = self.vocabulary
        if own is None or not self.shares_tokenizer(other.tokenizer):
            return False
        return not self.own_format or own.same_as(other)

    @torch.no_grad()
    def score_texts(
        self,
        prompts: Sequence[Prompt | str],
        responses: Sequence[str],
        batch_size: int = 32,
        finished: Sequence[bool] | None = None,
        *,
        tokens: int | None = None,
    ) -> list[float]:
        """Score answers given as text, in batches of like length.

        Args:
            prompts: One prompt an answer, texts or conversations.
            responses: The answers, joined to their prompts with nothing between.
            batch_size: Answers scored at once; changes memory and speed only.
            finished: Whether each answer came to its end, and so is scored with its EOS; all did
                when None.
            tokens: Most positions in memory at once; None means any.

        Returns:
            One score an answer. A text longer than the model's context loses the beginning of its
            prompt.

        Raises:
            ModelError: The model has no tokenizer.
        """
        reader = self.vocabulary
        if reader is None:
            raise ModelError(
                "Expected a tokenizer in the reward model's folder, got none; save one there."
            )
        limit = context_length(self.classifier)
        rows = [reader.fits(row, limit) for row in reader.rows(prompts, responses, finished)]
        # An answer of no token at all is scored where it would have begun.
        rows = [(ids, min(start, len(ids) - 1)) for ids, start in rows]
        scores = [0.0] * len(rows)
        device, lengths = self.classifier.device, [len(ids) for ids, _ in rows]
        for batch in cut_by_length(lengths, batch_size, tokens=tokens, device=device.type):
            ids, attended, response = pad_rows([rows[at] for at in batch], reader.pad)
            values = self.score(ids.to(device), attended.to(device), response.to(device))
            for at, value in zip(batch, values.tolist(), strict=True):
                scores[at] = value
        return scores

    @property
    def _reads_forward(self) -> bool:
        """Whether each token sees those before it alone, as in a decoder with a `score` head."""
        both_ways = getattr(self.classifier.config, "use_bidirectional_attention", False)
        return hasattr(self.classifier, "score") and not both_ways

    def _token_head(self) -> nn.Module:
        head = getattr(self.classifier, "score", None)
        if not isinstance(head, nn.Module):
            raise ModelError(
                f"Pooling '{self.pooling}' needs a classifier whose `score` head reads one token "
                f"at a time, got {type(self.classifier).__name__}; use pooling 'last'."
            )
        return head


def load_reward_model(
    folder: str | Path,
    *,
    device: str | torch.device = "cpu",
    dtype: torch.dtype = torch.float32,
    prompt_format: PromptFormat = "text",
    classifier: PreTrainedModel | None = None,
) -> RewardModel:
    """Load a reward model from a Hugging Face folder or name, ready to score.

    Args:
        folder: A sequence classifier with one label.
        device: Where to put it.
        dtype: Number format of its weights.
        prompt_format: How it reads prompts where nothing says how it was trained.
        classifier: The folder's model, where it is in memory already (`classifier_on`).

    Raises:
        ModelError: There is nothing loadable there, it has another number of labels than one, its
            head has no weights, or `drpo_pooling` is unknown.
    """
    folder = brought(folder)
    try:
        config = AutoConfig.from_pretrained(folder, trust_remote_code=False)
    except (OSError, ValueError) as error:
        raise ModelError(
            f"{folder}: expected a Hugging Face model folder or name with a config.json, got none "
            f"that can be read ({first_line(error)}); give another reward model."
        ) from error
    if config.num_labels != 1:
        raise ModelError(
            f"{folder}: expected a classifier with one label, got {config.num_labels}; train one "
            "with num_labels=1, or leave the reward model out and it is trained from the pairs."
        )
    pooling = getattr(config, "drpo_pooling", "last")
    if pooling not in POOLINGS:
        raise ModelError(
            f"{folder}/config.json: expected drpo_pooling to be one of {', '.join(POOLINGS)}, got "
            f"{pooling!r}; correct it."
        )
    if classifier is None:
        classifier = load_classifier(folder, dtype)
    tokenizer = None
    with suppress(ModelError):  # without one the model still scores ids
        tokenizer = load_tokenizer(folder)
    reads_end = bool(getattr(config, "drpo_reads_end", False))
    # Reward models that were trained here before conversations were rendered read texts.
    trained: PromptFormat | None = getattr(
        config, "drpo_prompt_format", "text" if reads_end else None
    )
    chat = None
    if tokenizer is not None:
        # One without a template of its own has no way to read a chat, whatever the policy does.
        asked: PromptFormat = "text" if prompt_format == "text" else "auto"
        chat = chat_template(tokenizer, trained or asked, name=str(folder))
    model = RewardModel(
        classifier,
        tokenizer,
        pooling,
        reads_end=reads_end,
        chat=chat,
        own_format=trained is not None,
    )
    return model.to(device).eval().requires_grad_(requires_grad=False)
