"""Spec: the frozen, typo-proof description of one piece of a scenario."""

from typing import Any, Self

from pydantic import BaseModel, ConfigDict


class Spec(BaseModel):
    """Base of all specs: unknown keys are refused, values never change after validation."""

    model_config = ConfigDict(frozen=True, extra="forbid", validate_default=True)

    def replace(self, **changes: Any) -> Self:
        """A copy with some fields changed, validated again (pydantic's `model_copy` would not validate)."""
        return type(self).model_validate({name: getattr(self, name) for name in type(self).model_fields} | changes)
