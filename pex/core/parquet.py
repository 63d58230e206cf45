"""Reads Parquet files from others: a small one can unpack to more than the memory."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

from pex.core.errors import PexError

_ALWAYS_BYTES = 1024**3
_TIMES = 20
"""The most a file may unpack to: a gigabyte, or twenty times its size if that is more."""

_PART_BYTES = 512 * 1024 * 1024


def read_table(source: bytes | Path, where: str) -> Any:
    """The `pyarrow.Table` of a Parquet file.

    A column can repeat one long string in every row, which the size stated in the file does not
    count; so rows are read in parts and counted as they are unpacked.

    Args:
        source: the file, or its content.
        where: how to name it in an error.

    Raises:
        PexError: it is not a Parquet file, or unpacks to far more than its size.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    size = source.stat().st_size if isinstance(source, Path) else len(source)
    most = max(_ALWAYS_BYTES, _TIMES * size)
    try:
        with pq.ParquetFile(io.BytesIO(source) if isinstance(source, bytes) else source) as file:
            about = file.metadata
            groups = [about.row_group(at) for at in range(about.num_row_groups)]
            # A repeated number takes no space in the file, and eight bytes in memory.
            columns = [
                max(column.total_uncompressed_size, 8 * column.num_values)
                for group in groups
                for column in map(group.column, range(group.num_columns))
            ]
            longest = max(columns, default=0)  # no value is longer than its column
            if sum(columns) > most:
                raise _too_large(where, size, sum(columns))
            if longest * about.num_rows * max(about.num_columns, 1) <= most:
                return file.read()
            rows = max(1, min(_PART_BYTES // max(longest, 1), about.num_rows))
            parts, unpacked = [], 0
            for part in file.iter_batches(batch_size=rows):
                unpacked += part.nbytes
                if unpacked > most:
                    raise _too_large(where, size, unpacked)
                parts.append(part)
            return pa.Table.from_batches(parts, schema=file.schema_arrow)
    except (OSError, ValueError, pa.ArrowException) as error:
        raise PexError(f"{where}: not a readable Parquet file: {error}") from None


def _too_large(where: str, size: int, unpacked: int) -> PexError:
    return PexError(
        f"{where}: its {size:,} bytes unpack to more than {unpacked // 1024**2:,} MB",
        hint="at most a gigabyte is read, or twenty times the file's size: put the rows "
        "that you need into their own file",
    )
