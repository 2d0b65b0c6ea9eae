"""Where entries come from: one file per source, found by scanning this folder.

A source is a module with a `SOURCE`. What people type is a built-in source's name, an address
whose scheme a source knows, or else a path, which the source named `files` reads.
"""

from __future__ import annotations

import importlib
import pkgutil
from pathlib import Path

from src.data import languages, mending
from src.data.sources.source import IngestParams, Piece, Reading, Source
from src.errors import UserError
from src.pipeline.passwords import refuse_passwords
from src.pipeline.step import nearest

__all__ = ["IngestParams", "Piece", "Reading", "Source", "check", "discover", "find", "is_path"]


def discover() -> dict[str, Source]:
    """Find the sources by name."""
    modules = (
        importlib.import_module(f"{__name__}.{found.name}")
        for found in pkgutil.iter_modules(__path__)
    )
    sources = (module.SOURCE for module in modules if hasattr(module, "SOURCE"))
    return {source.name: source for source in sources}


def is_path(source: str) -> bool:
    """Tell whether what people typed is a path: no built-in name and no address."""
    return "://" not in source and source not in built_in()


def built_in() -> dict[str, Source]:
    """Give the sources that people name, and not an address or a path that tells of them."""
    return {
        name: source
        for name, source in discover().items()
        if name != "files" and not source.schemes and not source.recognises
    }


def find(source: str) -> Source:
    """Find the source that people mean: a built-in name, a scheme, else files.

    Raises
    ------
    UserError
        It is neither a built-in name, nor an address of a known kind, nor anything like a path.
    """
    known = discover()
    scheme, address, _ = source.partition("://")
    if address:
        schemes = {name: found for found in known.values() for name in found.schemes}
        if scheme not in schemes:
            raise UserError(f"no source reads {scheme}:// addresses.", nearest(scheme, schemes))
        return schemes[scheme]
    named = built_in()
    if source in named:
        return named[source]
    path = Path(source)
    for other in known.values():
        if source and other.recognises and other.recognises(path):
            return other
    # A misspelt name arrives as an absolute path that leads nowhere and has no ending.
    if not source or not (path.suffix or path.exists() or set(source) & set("*?[")):
        raise UserError(
            f"unknown source {path.name!r}: no built-in corpus, and nothing is at {source!r}.",
            f"{nearest(path.name, named)} Or name a file or a database: -P source=entries.csv, "
            "-P source=postgresql://host/db",
        )
    return known["files"]


def check(params: IngestParams) -> None:
    """Check all that can be checked before anything heavy is imported.

    Raises
    ------
    UserError
        A parameter cannot be understood, the source cannot be read, or its address holds a
        password.
    """
    refuse_passwords([params.source])
    _ = params.label_map, params.cuts
    _ = languages.wanted(params.languages or languages.ANY), mending.wanted(params.mend)
    find(params.source).check(params)
