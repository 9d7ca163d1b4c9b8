"""The drawing of the rooms holds: read from the imports of every file, not from memory.

Each rule is a function from the files to its violations, so that the checker itself is checked below.
"""

import ast
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

PACKAGE = "postrider"
SOURCE = Path(__file__).parents[1] / "src" / PACKAGE
LONGEST_FUNCTION = 60
LONGEST_FILE = 450

# From left to right as in the design; a room imports only what stands further right, peers never each other.
LAYERS: list[set[str]] = [
    {"cli"},
    {"worker", "web_app", "embedded", "listen", "bench"},
    {"web_server"},
    {"runtime", "demo"},
    {"web"},
    {"pipeline", "control"},
    {"services"},
    {"store", "transports", "bell"},
    {"domain"},
]
# Stands outside the row: only those who join the parts read the settings.
SETTINGS = "settings"
SETTINGS_READERS = {"runtime", "cli", "worker", "web_app", "web_server", "embedded", "bench"}

# Where each outside library lives; one that is not listed has no business in the product.
HOMES: dict[str, set[str]] = {
    "aiohttp": {"transports", "bench"},
    "alembic": {"store"},
    "boto3": {"transports"},
    "botocore": {"transports"},
    "celery": {"bell", "worker"},
    "click": {"cli"},
    "cryptography": {"store"},
    "fastapi": {"web", "web_app"},
    "httptools": {"transports"},
    "httpx": {"transports", "bench"},
    "idna": {"transports"},
    "jinja2": {"transports", "web"},
    "kombu": {"bell", "worker"},
    "moto": {"bench"},  # of the development dependencies: one scenario needs it and says so where it is missing
    "msgspec": {"pipeline", "store", "web"},
    "multidict": {"transports"},
    "limits": {"settings", "web"},
    "markupsafe": {"transports", "web"},
    "mypy_boto3_sqs": {"transports"},  # for the type checker alone
    "prometheus_client": {"services", "web", "worker"},
    "psycopg": {"store"},
    "pydantic": {"transports", "web", "settings", "cli", "embedded", "bench"},
    "pydantic_settings": {"settings"},
    "redis": {"bell"},
    "sqlalchemy": {"store"},
    "starlette": {"web"},
    "stomp": {"transports"},
    "structlog": {
        "bell",
        "bench",
        "cli",
        "control",
        "demo",
        "pipeline",
        "runtime",
        "services",
        "store",
        "transports",
        "web",
        "worker",
    },
    "uvicorn": {"embedded", "web_server", "bench"},
    "uvloop": {"cli", "transports", "bench"},
    "yarl": {"transports"},
}

INPUT_AND_OUTPUT = {
    "asyncio", "http.client", "http.server", "multiprocessing", "os", "pathlib", "selectors", "shutil", "socket",
    "sqlite3", "ssl", "subprocess", "tempfile", "threading", "urllib.request",
}  # fmt: skip
CLOCKS = {
    "datetime.now", "datetime.utcnow", "datetime.today", "date.today", "time.time", "time.time_ns", "time.monotonic",
    "time.monotonic_ns", "time.perf_counter", "time.perf_counter_ns", "time.sleep", "time.localtime", "time.gmtime",
}  # fmt: skip
# Who changes what people manage does it by `Services.change`, which commits nothing without its record.
CHANGING_ROOMS = {"control", "web", "cli", "embedded"}
CHANGING_FILES = {"pipeline/redrive.py", "pipeline/resend.py", "pipeline/health.py"}
UNRECORDED = {
    "pipeline/redrive.py: step_jobs",  # goes on with jobs whose start was recorded
    "pipeline/health.py: _note_failures",  # what outcomes say, changed by nobody
    "pipeline/health.py: _note_success",
    "pipeline/health.py: secrets_unreadable",  # what a worker found, changed by nobody
    "control/rotation.py: _renew",  # the same secrets under another key: nothing of any tenant's changes
    "web/auth.py: _write_note",  # a key's last use
}
DRAWERS = {"util", "utils", "helper", "helpers", "common", "core", "base"}


@dataclass(frozen=True, slots=True)
class Module:
    """One file of the package, parsed."""

    path: Path  # from the package's folder
    lines: int
    tree: ast.Module

    @property
    def room(self) -> str:
        """The folder, or for a file at the top its name; the package's own `__init__` is no room."""
        return self.path.parts[0].removesuffix(".py")

    def imports(self) -> Iterator[str]:
        """Give the full dotted name of all that is imported, anywhere in the file."""
        for node in ast.walk(self.tree):
            if isinstance(node, ast.Import):
                yield from (alias.name for alias in node.names)
            elif isinstance(node, ast.ImportFrom):
                source = self._absolute(node)
                yield from (f"{source}.{alias.name}" for alias in node.names)

    def rooms_imported(self) -> set[str]:
        return {name.split(".")[1] for name in self.imports() if name.startswith(f"{PACKAGE}.")} - {self.room}

    def libraries_imported(self) -> set[str]:
        tops = {name.split(".")[0] for name in self.imports()}
        return tops - sys.stdlib_module_names - {PACKAGE}

    def _absolute(self, node: ast.ImportFrom) -> str:
        if not node.level:
            return node.module or ""
        folders = [PACKAGE, *self.path.parts[:-1]]
        return ".".join([*folders[: len(folders) - node.level + 1], *filter(None, [node.module])])


def read(source: Path) -> list[Module]:
    """Parse every Python file under the package's folder."""
    modules = []
    for path in sorted(source.rglob("*.py")):
        text = path.read_text()
        modules.append(Module(path.relative_to(source), len(text.splitlines()), ast.parse(text)))
    return modules


def wrong_arrows(modules: list[Module]) -> list[str]:
    """Find imports that do not point to the right."""
    return [
        f"{module.path} imports {room}, which does not lie to its right"
        for module in modules
        for room in sorted(module.rooms_imported() & ROOMS - {SETTINGS})
        if room not in _right_of(module.room)
    ]


def undrawn_rooms(modules: list[Module]) -> list[str]:
    """Find files and folders at the top of the package that the drawing does not have."""
    rooms = {module.room for module in modules}
    return [f"{room} has no place in LAYERS" for room in sorted(rooms - ROOMS - {"__init__", "__main__"})]


def settings_readers(modules: list[Module]) -> list[str]:
    """Find who reads the settings, or the environment behind them, without being a door or the runtime."""
    return [
        f"{module.path} reads settings"
        for module in modules
        if module.room not in {*SETTINGS_READERS, SETTINGS}
        and (SETTINGS in module.rooms_imported() or _reads_environment(module))
    ]


def homeless_libraries(modules: list[Module]) -> list[str]:
    """Find outside libraries that are imported outside their homes."""
    return [
        f"{module.path} imports {library}, whose home is {', '.join(sorted(HOMES.get(library, ()))) or 'nowhere'}"
        for module in modules
        for library in sorted(module.libraries_imported())
        if module.room not in HOMES.get(library, ())
    ]


def impure_domain(modules: list[Module]) -> list[str]:
    """Find what ties the domain to libraries, to input and output, or to a clock."""
    return [
        f"{module.path} uses {name}"
        for module in modules
        if module.room == "domain"
        for name in sorted(module.libraries_imported() | _io_modules(module) | _clock_calls(module))
    ]


def drawers(modules: list[Module]) -> list[str]:
    """Find files and folders whose name says nothing about what is in them."""
    return [
        f"{module.path} is named as a drawer"
        for module in modules
        if DRAWERS & {part.removesuffix(".py") for part in module.path.parts}
    ]


def long_functions(modules: list[Module]) -> list[str]:
    """Find functions that are too long, their docstring counted, decorators not."""
    return [
        f"{module.path}: {node.name} has {length} lines"
        for module in modules
        for node in ast.walk(module.tree)
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        if (length := (node.end_lineno or node.lineno) - node.lineno + 1) > LONGEST_FUNCTION
        if "migrations" not in module.path.parts  # a migration is one list, never changed once it was released
    ]


def long_files(modules: list[Module]) -> list[str]:
    """Find files that are too long."""
    return [f"{module.path} has {module.lines} lines" for module in modules if module.lines > LONGEST_FILE]


def unrecorded_changes(modules: list[Module]) -> list[str]:
    """Find where people's changes are made in a transaction that does not ask for their record."""
    return [
        f"{module.path}: {function.name} writes without `Services.change`"
        for module in modules
        if module.room in CHANGING_ROOMS or str(module.path) in CHANGING_FILES
        for function in ast.walk(module.tree)
        if isinstance(function, ast.FunctionDef | ast.AsyncFunctionDef)
        if f"{module.path}: {function.name}" not in UNRECORDED and _writes(function)
    ]


ROOMS = set.union(*LAYERS) | {SETTINGS}


def _writes(function: ast.AST) -> bool:
    calls = (node.func for node in ast.walk(function) if isinstance(node, ast.Call))
    return any(ast.unparse(call).endswith(("database.write", "database.write_once")) for call in calls)


def _right_of(room: str) -> set[str]:
    for position, layer in enumerate(LAYERS):
        if room in layer:
            return set[str]().union(*LAYERS[position + 1 :])
    return {"domain"} if room == SETTINGS else set()


def _names_used(module: Module) -> set[str]:
    """Give the dotted names that are read or called, such as `os.environ` or `datetime.datetime.now`."""
    return {ast.unparse(node) for node in ast.walk(module.tree) if isinstance(node, ast.Attribute)} | set(
        module.imports()
    )


def _reads_environment(module: Module) -> bool:
    """Tell whether the environment is looked at; to set a library's own switch with `setdefault` is no reading."""
    nodes = [node for node in ast.walk(module.tree) if isinstance(node, ast.Attribute)]
    switches = {id(node.value) for node in nodes if node.attr == "setdefault"}
    read = {ast.unparse(node) for node in nodes if id(node) not in switches} | set(module.imports())
    return bool({"os.environ", "os.getenv"} & read)


def _io_modules(module: Module) -> set[str]:
    found = {name for name in module.imports() for each in INPUT_AND_OUTPUT if f"{name}.".startswith(f"{each}.")}
    opened = {"open()" for node in ast.walk(module.tree) if isinstance(node, ast.Call) and _is_open(node)}
    return found | opened


def _is_open(call: ast.Call) -> bool:
    return isinstance(call.func, ast.Name) and call.func.id == "open"


def _clock_calls(module: Module) -> set[str]:
    """Find `datetime.now` and the like, by whatever path they are reached, and functions taken from `time`."""
    return {name for name in _names_used(module) if ".".join(name.split(".")[-2:]) in CLOCKS}


@pytest.fixture(scope="module")
def product() -> list[Module]:
    """Parse the product once: it takes longer than to ask all the rules."""
    return read(SOURCE)


def test_arrows_point_to_the_right(product: list[Module]) -> None:
    """A room imports only what lies to its right in the design's drawing; peers do not import each other."""
    assert wrong_arrows(product) == []


def test_every_room_is_drawn(product: list[Module]) -> None:
    """There is no room beside the drawing."""
    assert undrawn_rooms(product) == []


def test_only_runtime_and_doors_read_settings(product: list[Module]) -> None:
    """Everybody else is handed what it needs; nobody else looks into the environment."""
    assert settings_readers(product) == []


def test_libraries_stay_at_home(product: list[Module]) -> None:
    """Each outside library is imported only where it lives."""
    assert homeless_libraries(product) == []


def test_domain_is_pure(product: list[Module]) -> None:
    """The domain imports the standard library only, does no input or output and asks no clock."""
    assert impure_domain(product) == []


def test_names_say_what_is_inside(product: list[Module]) -> None:
    """No file or folder is a drawer for whatever had no other place."""
    assert drawers(product) == []


def test_changes_are_recorded(product: list[Module]) -> None:
    """Nothing that people manage is changed in a transaction that could commit without its audit entry."""
    assert unrecorded_changes(product) == []


def test_functions_are_short(product: list[Module]) -> None:
    """No function is longer than a page."""
    assert long_functions(product) == []


def test_files_are_short(product: list[Module]) -> None:
    """No file is longer than can be kept in mind."""
    assert long_files(product) == []


def test_checker_reads_the_package(product: list[Module]) -> None:
    """The rules are asked about the real files."""
    assert Path("domain/outcome.py") in {module.path for module in product}


RULES = [
    wrong_arrows,
    undrawn_rooms,
    settings_readers,
    homeless_libraries,
    impure_domain,
    drawers,
    unrecorded_changes,
    long_functions,
    long_files,
]
Rule = Callable[[list[Module]], list[str]]


@pytest.mark.parametrize(
    ("rule", "path", "text"),
    [
        (wrong_arrows, "store/events.py", "from postrider.pipeline.publish import publish"),
        (wrong_arrows, "store/events.py", "from postrider.transports import registry"),
        (wrong_arrows, "control/keys.py", "import postrider.pipeline"),
        (wrong_arrows, "pipeline/publish.py", "from ..web import app"),
        (wrong_arrows, "web/api/events.py", "from ...runtime import build"),
        (wrong_arrows, "domain/event.py", "from postrider import store"),
        (wrong_arrows, "worker.py", "from . import embedded"),
        (wrong_arrows, "settings.py", "from postrider.store import engine"),
        (wrong_arrows, "services.py", "def late():\n    from .runtime import build"),
        (wrong_arrows, "domain/__init__.py", "from ..store import engine"),
        (undrawn_rooms, "extras/thing.py", ""),
        (undrawn_rooms, "extras.py", ""),
        (settings_readers, "pipeline/publish.py", "from postrider.settings import Settings"),
        (settings_readers, "services.py", "from postrider import settings"),
        (settings_readers, "store/engine.py", "import os\nurl = os.environ['URL']"),
        (settings_readers, "store/engine.py", "import os\nos.environ.setdefault('A', 'b')\nc = os.environ.get('C')"),
        (settings_readers, "store/engine.py", "from os import getenv"),
        (homeless_libraries, "pipeline/publish.py", "import sqlalchemy.orm"),
        (homeless_libraries, "web/app.py", "from celery import Celery"),
        (homeless_libraries, "store/engine.py", "import requests"),
        (impure_domain, "domain/event.py", "import msgspec"),
        (impure_domain, "domain/event.py", "from socket import create_connection"),
        (impure_domain, "domain/event.py", "import urllib.request"),
        (impure_domain, "domain/event.py", "text = open('file').read()"),
        (impure_domain, "domain/event.py", "from datetime import datetime\nat = datetime.now()"),
        (impure_domain, "domain/event.py", "import datetime\nat = datetime.datetime.utcnow()"),
        (impure_domain, "domain/event.py", "import time\nat = time.time()"),
        (impure_domain, "domain/event.py", "from time import monotonic"),
        (drawers, "web/utils.py", ""),
        (drawers, "store/common/rows.py", ""),
        (unrecorded_changes, "control/keys.py", "def end(s):\n    with s.database.write() as tx:\n        pass"),
        (unrecorded_changes, "pipeline/redrive.py", "def end(s):\n    s.database.write_once()"),
        (long_functions, "web/app.py", "def long():\n" + "    pass\n" * 60),
        (long_functions, "web/app.py", "class App:\n  async def long(self):\n" + "    pass\n" * 60),
        (long_files, "web/app.py", "\n" * 451),
    ],
)
def test_checker_finds_a_violation(tmp_path: Path, rule: Rule, path: str, text: str) -> None:
    """Each rule finds what breaks it, once, and says where."""
    _write(tmp_path, path, text)

    found = rule(read(tmp_path))

    assert len(found) == 1
    assert path in found[0] or rule is undrawn_rooms


@pytest.mark.parametrize("rule", RULES)
def test_checker_is_content_with_good_files(tmp_path: Path, rule: Rule) -> None:
    """A tree as the design wants it has no violation."""
    _write(tmp_path, "__init__.py", "")
    _write(tmp_path, "domain/event.py", "from datetime import UTC, datetime, time\nfrom .errors import Refused")
    _write(tmp_path, "store/events.py", "import sqlalchemy\nfrom postrider.domain import event\nfrom . import tables")
    _write(tmp_path, "pipeline/publish.py", "from postrider.services import Services\nfrom postrider.store import x")
    _write(tmp_path, "web/api/events.py", "import fastapi\nfrom ...pipeline import publish\nfrom ..app import x")
    _write(tmp_path, "control/keys.py", "def end(s):\n    with s.change(1) as change:\n        pass")
    _write(tmp_path, "transports/stomp.py", "import os\nos.environ.setdefault('LIBRARY_SWITCH', '1')")
    _write(tmp_path, "runtime.py", "from postrider.settings import Settings\nfrom postrider.web import app")
    _write(tmp_path, "cli.py", "import click\nfrom postrider import runtime\nfrom postrider.settings import Settings")
    _write(tmp_path, "web/app.py", "def short():\n" + "    pass\n" * 59 + "\n" * 390)

    assert rule(read(tmp_path)) == []


def _write(folder: Path, path: str, text: str) -> None:
    file = folder / path
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(text)
