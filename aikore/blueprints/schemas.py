"""What the API says and takes about blueprints."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from aikore.blueprints.check import CHECKED_MAX
from aikore.blueprints.library import SIZE_MAX, Blueprint


class ReadyView(BaseModel):
    """When an instance of the blueprint counts as started."""

    model_config = ConfigDict(from_attributes=True)
    kind: Literal["http", "process", "window"]
    path: str = Field(description="For `http`: the path that must answer below 500.")
    timeout: float | None = Field(description="Seconds until it counts as stalled; null for AiKore's default.")


class BlueprintView(BaseModel):
    """A blueprint without its script."""

    id: str = Field(description="Its file's name without `.sh`; instances name it as `base_blueprint`.")
    file: str
    name: str
    category: str
    description: str
    homepage: str
    provides: list[str] = Field(description="What the studio may use its instances for.")
    base_path: Literal["strip", "keep"] = Field(description="`keep`: the app is told the path it is served under.")
    ready: ReadyView
    stop_signal: str
    warn: list[str] = Field(description="Texts that make a line of the log a warning.")
    source: Literal["stock", "custom"]
    error: str | None = Field(description="Why nothing can be made from it; names the line.")


class BlueprintContent(BlueprintView):
    """A blueprint with its script."""

    content: str
    version: str = Field(description="Also the ETag; send it back in If-Match to overwrite only what you read.")


class BlueprintWrite(BaseModel):
    """A script to save."""

    model_config = ConfigDict(extra="forbid")
    content: str = Field(max_length=SIZE_MAX)


class ScriptToCheck(BaseModel):
    """A script as it is being written."""

    model_config = ConfigDict(extra="forbid")
    content: str = Field(max_length=CHECKED_MAX)


class ProblemView(BaseModel):
    """One problem. Lines and columns count from 1, columns in characters; the end lies behind the last one."""

    model_config = ConfigDict(from_attributes=True)
    line: int
    column: int
    end_line: int
    end_column: int
    level: Literal["error", "warning", "info", "style"]
    code: str = Field(description="`SC2086` and the like, `bash`, or `header` for the blueprint's header.")
    message: str


class ScriptProblems(BaseModel):
    """What was found in a script."""

    model_config = ConfigDict(from_attributes=True)
    tool: Literal["shellcheck", "bash", "none"] = Field(description="What looked at the shell code.")
    problems: list[ProblemView]


def blueprint_view(blueprint: Blueprint) -> BlueprintView:
    """Return what lists show of a blueprint."""
    header = blueprint.header
    return BlueprintView(
        id=blueprint.id,
        file=blueprint.file,
        name=header.name,
        category=header.category,
        description=header.description,
        homepage=header.homepage,
        provides=list(header.provides),
        base_path=header.base_path,
        ready=ReadyView.model_validate(header.ready),
        stop_signal=header.stop_signal,
        warn=list(header.warn),
        source=blueprint.source,
        error=blueprint.error,
    )


def blueprint_content(blueprint: Blueprint) -> BlueprintContent:
    """Return a blueprint with its script."""
    view = blueprint_view(blueprint).model_dump()
    return BlueprintContent(**view, content=blueprint.content, version=blueprint.version)
