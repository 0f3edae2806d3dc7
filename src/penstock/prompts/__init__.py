"""Registered prompts: files with an owner, a version and a rollout state; and the stage that fills them in."""

from penstock.prompts.file import Prompt, PromptProblem
from penstock.prompts.registry import PromptsInvalid, Registry, unknown_models
from penstock.prompts.render import Render
from penstock.prompts.template import Template

__all__ = ["Prompt", "PromptProblem", "PromptsInvalid", "Registry", "Render", "Template", "unknown_models"]
