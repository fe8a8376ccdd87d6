"""CSV tables as downloads: local times with UTC offset, numbers with a decimal point, unknown values empty."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime
from itertools import chain
from typing import Annotated, Final

from fastapi import Query
from fastapi.responses import StreamingResponse

from api.context import ApiContext
from api.http.description import CSV_MEDIA
from api.queries.spreadsheet import escape_formula

_BUFFERED_CHARS: Final = 1 << 16
_MARK: Final = "\ufeff"
Mark = Annotated[bool, Query(description="Begin with a mark that spreadsheet programs need to know UTF-8 by.")]
Rows = Iterable[Sequence[object]]


def local_time(context: ApiContext, at: datetime) -> str:
    """A time in the city's zone, to the millisecond."""
    return at.astimezone(context.city.time_zone).isoformat(timespec="milliseconds")


def csv_answer(context: ApiContext, name: str, heading: list[str], rows: Rows, *, bom: bool) -> StreamingResponse:
    """A streamed CSV table; a simulated city adds the column `simulated`."""

    def lines() -> Iterator[str]:
        buffer = io.StringIO()
        writer = csv.writer(buffer)
        if bom:
            buffer.write(_MARK)
        writer.writerow([*heading, *(("simulated",) if context.demo else ())])
        for row in rows:
            writer.writerow([*map(escape_formula, row), *((1,) if context.demo else ())])
            if buffer.tell() > _BUFFERED_CHARS:
                yield buffer.getvalue()
                buffer.seek(0)
                buffer.truncate()
        yield buffer.getvalue()

    blocks = lines()
    # The first block before the status is sent: without a store the answer is 503, not the beginning of a table.
    first = next(blocks)
    return StreamingResponse(
        chain((first,), blocks),
        media_type=f"{CSV_MEDIA}; charset=utf-8",
        headers=attachment_headers(context, name, "csv"),
    )


def attachment_headers(context: ApiContext, name: str, ending: str) -> dict[str, str]:
    """Headers of a file that a browser stores."""
    simulated = "-simulated" if context.demo else ""
    return {"Content-Disposition": f'attachment; filename="{context.city.id}-{name}{simulated}.{ending}"'}
