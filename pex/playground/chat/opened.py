"""A conversation by itself, for a cell: a Playground of which nothing else is shown at first."""

from __future__ import annotations

from pex.experiment.experiment import Experiment
from pex.playground.draft_files import key_of
from pex.playground.session import Session, session_of


def chat_session(experiment: Experiment, fresh: bool) -> Session:
    """The session of a cell's conversation: the one that is there, with the prompt as it is now.

    Args:
        experiment: with one variant, and the cases to choose from.
        fresh: whether it asks for new answers.
    """
    session = session_of(key_of(None, f"chat {experiment.name}"), experiment, record=False)
    session.follow_source()
    session.set_fresh(fresh)
    column = session.draft.columns[0]
    session.chats.alone = column.id
    session.chats.act({"do": "open", "variant": column.id})
    return session


def open_chat(experiment: Experiment, fresh: bool) -> None:
    """Show the conversation of a cell, see `chat_session`."""
    from pex.playground.widget import PlaygroundView

    chat_session(experiment, fresh).show(PlaygroundView)
