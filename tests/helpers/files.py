"""What is written in the files of a project."""

from pathlib import Path


def texts_with(project: Path, word: str) -> list[str]:
    """The files of the project that hold a word, compressed tables unpacked."""
    import pandas as pd

    found = []
    for file in project.rglob("*"):
        if not file.is_file() or file.suffix == ".toml":
            continue
        content = file.read_bytes()
        if file.suffix == ".parquet":
            content = pd.read_parquet(file).to_csv().encode()
        if word.encode() in content:
            found.append(str(file.relative_to(project)))
    return found
