"""A real PostgreSQL of a test's own; tests are skipped where none can be run."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest


def program(name: str) -> str | None:
    """Where a program of PostgreSQL lies; Debian keeps them apart."""
    found = sorted(Path("/usr/lib/postgresql").glob(f"*/bin/{name}"))
    return shutil.which(name) or (str(found[-1]) if found else None)


@contextmanager
def postgres() -> Iterator[str]:
    """The URL of a new database; PostgreSQL refuses to run as root, so root runs it as the user `postgres`."""
    pytest.importorskip("psycopg")
    initdb, pg_ctl = program("initdb"), program("pg_ctl")
    if initdb is None or pg_ctl is None:
        pytest.skip("no PostgreSQL is installed")
    owner = "postgres" if os.geteuid() == 0 else None
    folder = Path(tempfile.mkdtemp(prefix="palate-pg-"))
    try:
        if owner:
            shutil.chown(folder, owner)
    except LookupError:
        pytest.skip("there is no user to run PostgreSQL as")
    options = f"-c listen_addresses= -c unix_socket_directories={folder} -c fsync=off"

    def run(*command: str) -> None:
        subprocess.run(command, check=True, user=owner, cwd=folder, stdout=subprocess.DEVNULL)

    run(initdb, "-D", str(folder / "db"), "-A", "trust", "-U", "palate", "-N")
    run(pg_ctl, "-D", str(folder / "db"), "-o", options, "-l", str(folder / "log"), "-w", "-t", "120", "start")
    try:
        yield f"postgresql+psycopg://palate@/postgres?host={folder}"
    finally:
        run(pg_ctl, "-D", str(folder / "db"), "-m", "immediate", "stop")
        shutil.rmtree(folder, ignore_errors=True)


def restart(url: str) -> None:
    """Start that PostgreSQL anew, as if its machine had failed."""
    folder, pg_ctl = Path(url.rpartition("host=")[2]), program("pg_ctl")
    owner = "postgres" if os.geteuid() == 0 else None
    command = [str(pg_ctl), "-D", str(folder / "db"), "-m", "immediate", "-l", str(folder / "log"), "-w", "restart"]
    subprocess.run(command, check=True, user=owner, cwd=folder, stdout=subprocess.DEVNULL)
