"""Spellings that models behind an endpoint may read as control: their vocabulary cannot be asked."""

from __future__ import annotations

KNOWN_CONTROL_TOKENS = (
    *("<|", "|>", "<｜", "｜>"),  # ChatML, Llama 3 and 4, Phi, GLM, Command R, gpt-oss; DeepSeek: all of <|...|>
    *("<s>", "</s>", "<unk>", "<pad>", "<bos>", "<eos>", "<mask>", "<sop>", "<eop>", "[gMASK]"),
    *("[INST]", "[/INST]", "<<SYS>>", "<</SYS>>", "[SYSTEM_PROMPT]", "[/SYSTEM_PROMPT]"),
    *("[AVAILABLE_TOOLS]", "[/AVAILABLE_TOOLS]", "[TOOL_CALLS]", "[TOOL_RESULTS]", "[/TOOL_RESULTS]"),
    *("<start_of_turn>", "<end_of_turn>", "<tool_call>", "</tool_call>", "<tool_response>", "</tool_response>"),
    *("<start_of_image>", "<end_of_image>", "<image>", "<audio>", "<video>", "[IMG]", "[IMG_BREAK]", "[IMG_END]"),
    *("<fim_prefix>", "<fim_middle>", "<fim_suffix>", "<repo_name>", "<reponame>", "<file_sep>", "<filename>"),
    *("<jupyter_", "<issue_", "<commit_", "<gh_stars>", "<empty_output>"),
    *("[CLS]", "[SEP]", "[MASK]", "[PAD]", "[UNK]", "<unused", "<extra_id_", "<reserved_"),
    *("<think>", "</think>", "<thinking>", "</thinking>", "[THINK]", "[/THINK]"),
)
