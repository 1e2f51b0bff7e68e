"""Spellings that models behind an endpoint may read as control: their vocabulary cannot be asked."""

from __future__ import annotations

KNOWN_CONTROL_TOKENS = (
    *("<|", "|>", "<｜", "｜>"),  # ChatML, Llama 3 and 4, Phi, GLM, Command R, gpt-oss; DeepSeek: all of <|...|>
    *("<s>", "</s>", "<unk>", "<pad>", "<bos>", "<eos>", "<mask>", "<sop>", "<eop>", "[gMASK]"),
    *("[INST]", "[/INST]", "<<SYS>>", "<</SYS>>", "[SYSTEM_PROMPT]", "[/SYSTEM_PROMPT]"),
    *("[AVAILABLE_TOOLS]", "[/AVAILABLE_TOOLS]", "[TOOL_CALLS]", "[TOOL_RESULTS]", "[/TOOL_RESULTS]"),
    *("<start_of_turn>", "<end_of_turn>", "<tool_call>", "</tool_call>", "<tool_response>", "</tool_response>"),
    *("<think>", "</think>", "<thinking>", "</thinking>", "[THINK]", "[/THINK]"),
)
