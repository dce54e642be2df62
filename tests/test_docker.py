"""What the container files must keep: no engine runs where the tests do, but Node may."""

import json
import re
import shutil
import subprocess
import tomllib
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
import yaml

from server.router import SECRET
from server.settings import SECRETS, Settings
from tests.node import install
from tests.running import RunningServer

ROOT = Path(__file__).parent.parent
DOCKER = ROOT / "docker"
MEMBERS = ["mongo1", "mongo2", "mongo3"]
ONE_SHOTS = {"mongo-init", "supergraph"}
OURS = ["usergraph", "supergraph", "router"]
SECRET_FILE = "router_secret"


def services() -> dict[str, Any]:
    """Compose services by name, merge keys resolved."""
    loaded: dict[str, Any] = yaml.safe_load((DOCKER / "compose.yaml").read_text())["services"]
    return loaded


def instructions() -> list[tuple[str, str]]:
    """The keyword and the arguments of each line of the Dockerfile, continuations joined."""
    text = re.sub(r"(?m)^\s*#.*\n", "", (DOCKER / "Dockerfile").read_text()).replace("\\\n", "")
    lines = (line.split(maxsplit=1) for line in text.splitlines() if line)
    return [(keyword, arguments) for keyword, arguments in lines]


def final_stage() -> dict[str, str]:
    """The last stage's instructions; of a repeated keyword, the last one."""
    lines = instructions()
    start = max(index for index, (keyword, _) in enumerate(lines) if keyword == "FROM")
    return dict(lines[start:])


def test_the_image_runs_as_a_numeric_user_that_is_not_root() -> None:
    user, group = final_stage()["USER"].split(":")
    assert int(user) > 0
    assert int(group) > 0


def test_the_image_starts_the_service_without_a_shell_and_stops_it_with_sigterm() -> None:
    stage = final_stage()
    assert json.loads(stage["ENTRYPOINT"]) == ["usergraph"]
    assert json.loads(stage["CMD"]) == ["serve"]
    assert stage["STOPSIGNAL"] == "SIGTERM"


def test_the_image_asks_the_service_whether_it_is_ready() -> None:
    check = json.loads(final_stage()["HEALTHCHECK"].partition("CMD ")[2])
    assert check[0] == "python"
    assert "'http://127.0.0.1:8000/health/ready'" in check[2]


def test_the_image_installs_the_locked_requirements_and_no_extra() -> None:
    installs = [text.partition(" install ")[2] for _, text in instructions() if " install " in text]
    assert [" ".join(arguments.split()) for arguments in installs] == [
        "--require-hashes -r requirements/run.lock",
        "--no-deps .",
    ]


def test_the_embedded_engine_is_neither_locked_for_the_image_nor_let_into_it() -> None:
    assert "secantus" not in (ROOT / "requirements" / "run.lock").read_text().lower()
    assert any("find_spec('secantus') is None" in text for _, text in instructions())


def test_the_build_sees_every_package_of_the_project_and_nothing_that_is_not_named() -> None:
    patterns = (ROOT / ".dockerignore").read_text().splitlines()
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    packages = project["tool"]["hatch"]["build"]["targets"]["wheel"]["packages"]
    assert next(line for line in patterns if not line.startswith("#")) == "*"
    allowed = {line.removeprefix("!") for line in patterns if line.startswith("!")}
    others = {
        "LICENSE",
        "README.md",
        "hatch_build.py",
        "pyproject.toml",
        "requirements/run.lock",
        "explorer",
    }
    assert allowed == {*packages, *others}


@pytest.mark.parametrize("name", OURS)
def test_a_service_of_ours_can_write_only_to_memory_and_gain_no_privilege(name: str) -> None:
    service = services()[name]
    assert service["read_only"] is True
    assert service["cap_drop"] == ["ALL"]
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert [mount.split(":")[0] for mount in service["tmpfs"]] == ["/tmp"]


def test_everything_that_keeps_running_has_a_health_check() -> None:
    without = {name for name, service in services().items() if "healthcheck" not in service}
    # The image of usergraph brings its own.
    assert without == {"usergraph", *ONE_SHOTS}


def test_the_database_is_one_replica_set_of_three_that_only_the_inner_network_reaches() -> None:
    uri = urlsplit(services()["usergraph"]["environment"]["USERGRAPH_MONGODB_URI"])
    assert uri.netloc.split(",") == [f"{member}:27017" for member in MEMBERS]
    assert parse_qs(uri.query) == {"replicaSet": ["rs0"]}
    for member in MEMBERS:
        service = services()[member]
        assert service["command"][:3] == ["mongod", "--replSet", "rs0"]
        assert service["networks"] == ["database"]
        assert "ports" not in service
    assert json.dumps(MEMBERS) in (DOCKER / "mongo-init.js").read_text()


def test_the_service_waits_for_the_replica_set_and_the_router_for_the_supergraph() -> None:
    done, healthy = "service_completed_successfully", "service_healthy"
    waits = {
        name: {other: wait["condition"] for other, wait in service.get("depends_on", {}).items()}
        for name, service in services().items()
    }
    assert waits["mongo-init"] == dict.fromkeys(MEMBERS, healthy)
    assert waits["usergraph"] == {"mongo-init": done}
    assert waits["supergraph"] == {"usergraph": healthy}
    assert waits["router"] == {"supergraph": done, "usergraph": healthy}


def test_the_router_hands_the_callers_token_on() -> None:
    router = yaml.safe_load((DOCKER / "router.yaml").read_text())
    assert {"propagate": {"named": "authorization"}} in router["headers"]["all"]["request"]


def test_one_secret_is_what_the_router_and_the_composer_send_and_the_service_expects() -> None:
    path = f"/run/secrets/{SECRET_FILE}"
    compose = yaml.safe_load((DOCKER / "compose.yaml").read_text())
    router = yaml.safe_load((DOCKER / "router.yaml").read_text())
    subgraphs = yaml.safe_load((DOCKER / "supergraph" / "supergraph.yaml").read_text())["subgraphs"]
    having = {name for name, each in services().items() if SECRET_FILE in each.get("secrets", ())}
    sent = {"x-router-authorization": f"${{file.{path}}}"}
    assert having == {"usergraph", "supergraph", "router"}
    assert services()["usergraph"]["environment"]["USERGRAPH_ROUTER_SECRETS_FILE"] == path
    assert compose["secrets"][SECRET_FILE] == {"file": f"./keys/{SECRET_FILE}"}
    assert "keys/" in (DOCKER / ".gitignore").read_text().splitlines()
    assert [*sent] == [SECRET]
    assert {name: each["schema"]["introspection_headers"] for name, each in subgraphs.items()} == {
        "users": sent
    }
    assert router["headers"]["subgraphs"] == {
        "users": {
            "request": [{"insert": {"name": name, "value": value}} for name, value in sent.items()]
        }
    }


def test_the_service_has_every_secret_that_is_mounted_and_a_key_to_seal_with() -> None:
    compose = yaml.safe_load((DOCKER / "compose.yaml").read_text())
    service = services()["usergraph"]
    named = {
        name.lower(): value.removeprefix("/run/secrets/")
        for name, value in service["environment"].items()
        if name.endswith("_FILE")
    }
    assert named == {
        "usergraph_token_jwks_file": "jwks",
        "usergraph_router_secrets_file": SECRET_FILE,
        "usergraph_key_encryption_keys_file": "key_encryption_keys",
        "usergraph_ledger_key_file": "ledger_key",
    }
    assert sorted(named.values()) == sorted(service["secrets"]) == sorted(compose["secrets"])


def test_the_secret_that_is_made_is_sent_by_the_composer_and_taken_by_the_service(
    tmp_path: Path,
) -> None:
    install(DOCKER / "supergraph", "node")
    shutil.copy(DOCKER / "keys.mjs", tmp_path)
    for _ in range(2):  # what is there stays
        subprocess.run(["node", "keys.mjs", "make"], cwd=tmp_path, check=True, timeout=60)
    secret = tmp_path / "keys" / SECRET_FILE
    assert re.fullmatch(r"[\w-]{43}", secret.read_text())
    config = tmp_path / "supergraph.yaml"
    keys = {name: str(tmp_path / "keys" / name) for name in ("key_encryption_keys", "ledger_key")}
    files = {"router_secrets_file": str(secret), **{f"{name}_file": keys[name] for name in keys}}
    with RunningServer(tmp_path / "data", **files) as server:
        written = (DOCKER / "supergraph" / "supergraph.yaml").read_text()
        written = written.replace("http://usergraph:8000/graphql", server.address)
        config.write_text(written.replace(f"/run/secrets/{SECRET_FILE}", str(secret)))
        assert composed(config).endswith(": users\n")
        secret.write_text("x" * 32)
        assert "answered 403" in composed(config)


def composed(config: Path) -> str:
    """What the composer says of a configuration."""
    composer = DOCKER / "supergraph" / "compose.mjs"
    command = ["node", str(composer), str(config), str(config.with_suffix(".graphql"))]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    return done.stdout + done.stderr


def test_every_setting_named_here_is_one_the_server_knows() -> None:
    text = "".join(
        (DOCKER / name).read_text() for name in ("Dockerfile", "compose.yaml", "README.md")
    )
    named = {match.lower() for match in re.findall(r"\bUSERGRAPH_([A-Z_]+[A-Z])", text)}
    assert named
    assert named <= {*Settings.model_fields, *(f"{name}_file" for name in SECRETS)}


def test_no_image_floats() -> None:
    images = [service["image"] for service in services().values() if "image" in service]
    images += [text.partition("=")[2] for _, text in instructions() if "_IMAGE=" in text]
    assert [image for image in images if not re.search(r":v?(\d|\$\{)", image)] == []


def test_rover_and_the_composer_here_are_of_one_version() -> None:
    folder = DOCKER / "supergraph"
    wanted = yaml.safe_load((folder / "supergraph.yaml").read_text())["federation_version"]
    dependencies = json.loads((folder / "package.json").read_text())["dependencies"]
    assert wanted == f"={dependencies['@apollo/composition']}"


def test_the_folder_holds_no_python() -> None:
    found = (path for path in DOCKER.rglob("*.py") if "node_modules" not in path.parts)
    assert list(found) == []
