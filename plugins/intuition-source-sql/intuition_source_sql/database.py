"""Asking databases, through SQLAlchemy or ADBC, so that rows come in lists and never all at once."""

import importlib
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, closing, contextmanager
from pathlib import Path
from typing import Any, Final, Protocol, TypeAlias

from sqlalchemy import URL, Select, create_engine, make_url, text
from sqlalchemy.engine import Connection as SqlAlchemyConnection
from sqlalchemy.engine import Dialect
from sqlalchemy.engine.default import DefaultDialect
from sqlalchemy.exc import ArgumentError, DBAPIError, NoSuchModuleError, SQLAlchemyError
from sqlalchemy.pool import NullPool

from intuition_core.errors import IntuitionError
from intuition_source_sql.errors import DatabaseFailed, NoDriver

BATCH: Final = 4096
"""Rows that are fetched at once."""

ADBC: Final = "adbc+"
"""How addresses begin that go to an ADBC driver: ``adbc+postgresql://…``, ``adbc+sqlite:///…``."""

_PACKAGES: Final = {
    "duckdb": "'intuition-source-sql[duckdb]'",
    "snowflake": "snowflake-sqlalchemy",
    "bigquery": "sqlalchemy-bigquery",
    "clickhouse": "clickhouse-sqlalchemy",
    "questdb": "questdb-connect",
    "crate": "sqlalchemy-cratedb",
}
"""The packages by which SQLAlchemy knows further databases."""

_FILES: Final = {"sqlite": b"SQLite format 3", "duckdb": b"DUCK"}
"""What is in the first bytes of databases that are files."""

_NAMES: Final = {"sqlite": "SQLite", "duckdb": "DuckDB"}

_EXTRAS: Final = {"psycopg": "postgresql", "duckdb": "duckdb"}

Statement: TypeAlias = Select[Any] | str
"""What to ask: an expression in any database's words, or text in those of the database's own."""
Answer: TypeAlias = tuple[list[str], Iterator[Sequence[Sequence[Any]]]]
"""The names of the columns, and the rows in lists."""


class Connection(Protocol):
    """A connection that only reads: whatever a statement changes is taken back."""

    def ask(self, statement: Statement, /) -> AbstractContextManager[Answer]:
        """Run a statement and give its answer.

        Raises:
            DatabaseFailed: the database refuses it, or goes away; also while rows are read.
        """


class BadAddress(IntuitionError):
    """A URL that does not say where a database is."""

    def __init__(self, problem: str) -> None:
        self.problem = problem
        expected = "sqlite:///prices.db or postgresql://user@host/database, say"
        super().__init__(f"{problem}; expected an address as SQLAlchemy reads it: {expected}")


class Database:
    """Where a database is. However it is shown, the password and the options, which may hold one, are left out.

    Args:
        url: an address as SQLAlchemy reads it, or one with ``adbc+`` before it.
        password: goes before the one in the address.

    Raises:
        BadAddress: the address cannot be read.
    """

    def __init__(self, url: str, *, password: str | None = None) -> None:
        self._adbc = url.startswith(ADBC)
        try:
            parsed = make_url(url.removeprefix(ADBC))
        except (ArgumentError, ValueError):
            raise BadAddress("the `url` cannot be read") from None
        self._url = parsed if password is None else parsed.set(password=password)

    def __str__(self) -> str:
        shown = URL.create(
            self._url.drivername,
            host=self._url.host,
            port=self._url.port,
            database=self._url.database,
        ).render_as_string()
        return f"{ADBC}{shown}" if self._adbc else shown

    @contextmanager
    def connect(self) -> Iterator[Connection]:
        """Connect, and let the connection go at the end.

        Raises:
            NoDriver: there is no driver for this kind of database.
            DatabaseFailed: it cannot be reached, or does not let us in.
        """
        self._check_file()
        opened = _adbc(self._url, str(self)) if self._adbc else _sqlalchemy(self._url, str(self))
        with opened as connection:
            yield connection

    def _check_file(self) -> None:
        # SQLite and DuckDB make what is not there, and then all that is wrong is that it is empty.
        file, kind = str(self._url.database or ":memory:"), self._url.get_backend_name()
        if kind not in _FILES or file == ":memory:" or file.startswith(("file:", "md:")):
            return
        if not Path(file).is_file():
            raise DatabaseFailed(str(self), "there is no such file")
        try:
            with Path(file).open("rb") as stream:
                begin = stream.read(16)
        except OSError as error:
            raise DatabaseFailed(str(self), f"the file cannot be read: {error.strerror}") from None
        found = next((name for name, mark in _FILES.items() if mark in begin), kind)
        if found != kind:
            shown = f"is a file of {_NAMES[found]}, not of {_NAMES[kind]}"
            raise DatabaseFailed(str(self), f"{shown}; name it by --data {found}:///{file}, or export it as Parquet")


def _unknown(url: URL) -> str:
    """Return the sentence for a kind of database that SQLAlchemy does not know."""
    package = _PACKAGES.get(url.get_backend_name() if "+" not in url.drivername else url.drivername.partition("+")[0])
    if package is not None:
        return f"SQLAlchemy knows no `{url.drivername}` yet; `pip install {package}` makes it known"
    return f"SQLAlchemy knows no `{url.drivername}`; is it spelled right, and is its package installed?"


def _reading(url: URL) -> dict[str, Any]:
    """Return how to connect for reading alone, where a database is locked otherwise."""
    of_file = url.get_backend_name() == "duckdb" and url.database not in (None, "", ":memory:")
    return {"read_only": True} if of_file and "read_only" not in url.query else {}


@contextmanager
def _sqlalchemy(url: URL, address: str) -> Iterator[Connection]:
    try:
        engine = create_engine(url, poolclass=NullPool, hide_parameters=True, connect_args=_reading(url))
    except NoSuchModuleError:
        raise NoDriver(address, _unknown(url)) from None
    except ModuleNotFoundError as error:
        raise NoDriver(address, _install(error.name or "", _EXTRAS.get(error.name or ""))) from None
    except (SQLAlchemyError, ValueError) as error:
        raise _failed(address, url, error) from None
    try:
        connection = engine.connect()
    except SQLAlchemyError as error:
        raise _failed(address, url, error) from None
    with closing(connection):
        yield _SqlAlchemy(connection, url, address)


class _SqlAlchemy:
    def __init__(self, connection: SqlAlchemyConnection, url: URL, address: str) -> None:
        self._connection = connection
        self._url = url
        self._address = address

    @contextmanager
    def ask(self, statement: Statement) -> Iterator[Answer]:
        # Text is given to the database as it is: a colon in it must not begin the name of a parameter.
        query = text(statement.replace(":", r"\:")) if isinstance(statement, str) else statement
        try:
            with self._connection.execute(query, execution_options={"stream_results": True}) as result:
                if not result.returns_rows:
                    raise DatabaseFailed(self._address, "the query gives no rows; expected a SELECT")
                yield list(result.keys()), result.yield_per(BATCH).partitions(BATCH)
        except SQLAlchemyError as error:
            raise _failed(self._address, self._url, error) from None


@contextmanager
def _adbc(url: URL, address: str) -> Iterator[Connection]:
    backend = url.get_backend_name()
    try:
        driver = importlib.import_module(f"adbc_driver_{backend}.dbapi")
    except ModuleNotFoundError:
        known = backend in {"postgresql", "sqlite"}
        raise NoDriver(address, _install(f"adbc-driver-{backend}", "adbc" if known else None)) from None
    target = (url.database or ":memory:") if backend == "sqlite" else url.render_as_string(hide_password=False)
    try:
        connection = driver.connect(target)
    except driver.Error as error:
        raise _failed(address, url, error) from None
    with closing(connection):
        yield _Adbc(connection, driver.Error, url, address)


class _Adbc:
    def __init__(self, connection: Any, error: type[Exception], url: URL, address: str) -> None:
        self._connection = connection
        self._error = error
        self._url = url
        self._address = address

    @contextmanager
    def ask(self, statement: Statement) -> Iterator[Answer]:
        asked: tuple[Any, ...] = (statement,) if isinstance(statement, str) else self._compiled(statement)
        try:
            with closing(self._connection.cursor()) as cursor:
                cursor.execute(*asked)
                if not cursor.description:
                    raise DatabaseFailed(self._address, "the query gives no rows; expected a SELECT")
                yield [column[0] for column in cursor.description], iter(lambda: cursor.fetchmany(BATCH), [])
        except self._error as error:
            raise _failed(self._address, self._url, error) from None

    def _compiled(self, statement: Select[Any]) -> tuple[str, list[Any]]:
        compiled = statement.compile(dialect=self._dialect(), compile_kwargs={"render_postcompile": True})
        return str(compiled), [compiled.params[name] for name in compiled.positiontup or ()]

    def _dialect(self) -> Dialect:
        backend = self._url.get_backend_name()
        try:
            known: Callable[..., Dialect] = URL.create(backend).get_dialect()
        except NoSuchModuleError:
            known = DefaultDialect
        return known(paramstyle="numeric_dollar" if backend == "postgresql" else "qmark")


def _install(package: str, extra: str | None) -> str:
    wanted = f"'intuition-source-sql[{extra}]'" if extra else package
    return f"`pip install {wanted}` brings one"


def _failed(address: str, url: URL, error: Exception) -> DatabaseFailed:
    # What SQLAlchemy adds to an error is the statement and a link.
    original = error.orig if isinstance(error, DBAPIError) else error
    lines = [line.strip() for line in str(original).splitlines() if line.strip()]
    problem = lines[0] if lines else type(original).__name__
    if url.password:
        problem = problem.replace(str(url.password), "***")
    return DatabaseFailed(address, problem)
