"""Imports point one way, and importing is free.

The order is cli -> settings -> plugins -> families and cli -> steps -> parts -> base. Steps build
the plug-ins they use, so steps -> plugins; cli opens the workspace and the ledger, so cli -> parts.
config.py holds the models of the settings, for cli, settings and steps.
Imports for the type checker alone are free.
"""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Final

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator

PACKAGE: Final = Path(__file__).parents[1] / "src/embclust"
FAMILIES: Final = ("encoders", "stores", "clusterers", "projectors", "namers")
BASE: Final = (
    "",
    "data",
    "protocols",
    "errors",
    "names",
    "redact",
    "wording",
)  # "": the package's version
SETTINGS: Final = ("settings_sources", "settings_docs")

# Who may import whom, by group; the base is open to all, and a group to itself, but for families.
ALLOWED: Final[dict[str, set[str]]] = {
    "base": set(),
    "cli": {"settings", "config", "plugins", "steps", "parts"},
    "settings": {"config", "plugins"},
    "config": set(),
    "plugins": {"families"},
    "families": set(),
    "steps": {"parts", "plugins", "config"},
    "parts": set(),
}

HEAVY: Final = [
    *("torch", "torchvision", "open_clip", "sentence_transformers", "transformers", "timm"),
    *("chromadb", "sklearn", "scipy", "openTSNE", "plotly", "openai", "httpx", "pyarrow", "PIL"),
]
HEAVY_FOR_HELP: Final = [*HEAVY, "numpy", "pydantic", "pydantic_settings"]

# They subclass a heavy library's classes, so they are as heavy, and imported where they are used.
WHOLLY_HEAVY: Final = {"embclust.fetch_guard"}


def group_of(module: str) -> str:
    """`embclust.x.y` -> its group; a module that no other group names is a part."""
    top = module.removeprefix("embclust").removeprefix(".").partition(".")[0]
    if top in BASE:
        return "base"
    if top in SETTINGS or top.startswith("_settings"):
        return "settings"
    if top in FAMILIES:
        return "families"
    return {"__main__": "cli"}.get(top, top if top in ALLOWED else "parts")


def module_name(path: Path) -> str:
    parts = path.relative_to(PACKAGE.parent).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def imports(tree: ast.AST, module: str) -> Iterator[str]:
    """Every module that runs when this code does: not what only the type checker reads."""
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test):
            continue
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{module}: relative import"
            for alias in node.names:
                inner = f"{node.module}.{alias.name}"
                is_module = (node.module or "").startswith("embclust") and _exists(inner)
                yield inner if is_module else str(node.module)
        else:
            yield from imports(node, module)


def _exists(module: str) -> bool:
    path = PACKAGE.parent.joinpath(*module.split("."))
    return path.is_dir() or path.with_suffix(".py").exists()


def is_allowed(importer: str, imported: str) -> bool:
    """Whether one module of the package may import another."""
    above, below = group_of(importer), group_of(imported)
    if below == "base":
        return True
    if above == below == "families":
        return importer.split(".")[1] == imported.split(".")[1]
    return above == below or below in ALLOWED[above]


def sources() -> list[Path]:
    return sorted(PACKAGE.rglob("*.py"))


def test_the_walk_sees_the_package() -> None:
    names = {module_name(path) for path in sources()}
    assert {"embclust", "embclust.data", "embclust.plugins", "embclust.steps"} <= names
    tree = ast.parse("def f():\n    from embclust import plugins\n    import torch.nn\n")
    assert list(imports(tree, "m")) == ["embclust.plugins", "torch.nn"]
    assert not is_allowed("embclust.steps.index", "embclust.cli")
    assert not is_allowed("embclust.rows", "embclust.config")
    assert not is_allowed("embclust.stores.chroma", "embclust.encoders._torch")
    assert not is_allowed("embclust.encoders.timm", "embclust.images")
    assert is_allowed("embclust.encoders.timm", "embclust.encoders._torch")
    assert is_allowed("embclust.steps.index", "embclust.rows.table")
    assert is_allowed("embclust._settings_keys", "embclust.config")
    assert not is_allowed("embclust.steps.index", "embclust._settings_keys")


@pytest.mark.parametrize("path", sources(), ids=module_name)
def test_imports_point_one_way(path: Path) -> None:
    module = module_name(path)
    tree = ast.parse(path.read_text(encoding="utf-8"))
    ours = {name for name in imports(tree, module) if name.partition(".")[0] == "embclust"}
    wrong = sorted(name for name in ours if name != module and not is_allowed(module, name))
    assert not wrong, f"{module} ({group_of(module)}) must not import {', '.join(wrong)}"


def test_parts_do_not_import_each_other_in_circles() -> None:
    graph: dict[str, set[str]] = {}
    for path in sources():
        module = module_name(path)
        found = set(imports(ast.parse(path.read_text(encoding="utf-8")), module))
        graph[module] = {n for n in found if n.startswith("embclust.") and n != module}
    done: set[str] = set()

    def visit(module: str, trail: tuple[str, ...]) -> None:
        assert module not in trail, f"circle: {' -> '.join([*trail, module])}"
        if module not in done:
            for other in sorted(graph.get(module, ())):
                visit(other, (*trail, module))
            done.add(module)

    for module in graph:
        visit(module, ())


def imports_at_top(path: Path) -> set[str]:
    """What a module imports as soon as it is imported itself."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            node.body = [ast.Pass()]
    return set(imports(tree, module_name(path)))


@pytest.mark.parametrize("path", sources(), ids=module_name)
def test_heavy_libraries_are_imported_where_they_are_used(path: Path) -> None:
    module = module_name(path)
    heavy = set(HEAVY_FOR_HELP if group_of(module) == "cli" else HEAVY)
    at_top = imports_at_top(path)
    if module not in WHOLLY_HEAVY:
        assert not {name.partition(".")[0] for name in at_top} & heavy
        assert not at_top & WHOLLY_HEAVY


def loaded_by(code: str, watched: list[str]) -> list[str]:
    """Which of the watched libraries a fresh process has loaded after running the code."""
    report = f"import sys\n{code}\nprint('LOADED', *(n for n in {watched!r} if n in sys.modules))"
    done = subprocess.run(
        [sys.executable, "-c", report], capture_output=True, text=True, check=False, timeout=120
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()[-1].split()[1:]


def test_the_probe_sees_what_is_loaded() -> None:
    assert loaded_by("import numpy", ["numpy", "torch"]) == ["numpy"]


def test_settings_and_all_options_load_nothing_heavy() -> None:
    code = """
from embclust import plugins
from embclust.settings_docs import schema
from embclust.settings_sources import load
load(None, {}, [], {})
for family, kinds in plugins.FAMILIES.items():
    for kind in kinds:
        plugins.options_of(family, kind)
"""
    assert loaded_by(code, HEAVY) == []


@pytest.mark.parametrize(
    ("arguments", "watched"),
    [
        (["--help"], HEAVY_FOR_HELP),
        (["--version"], HEAVY_FOR_HELP),
        (["index", "--help"], [*HEAVY, "numpy"]),  # typer itself loads pydantic for a subcommand
        (["config", "show", "--json"], HEAVY),
    ],
)
def test_help_loads_nothing_heavy(arguments: list[str], watched: list[str]) -> None:
    code = f"""
from embclust.cli import main
sys.argv = ["embclust", *{arguments!r}]
try:
    main()
except SystemExit as stop:
    assert not stop.code, stop.code
"""
    assert loaded_by(code, watched) == []
