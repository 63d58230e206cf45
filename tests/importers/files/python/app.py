# ruff: noqa: F821, UP031
"""An application as people write it; it is only read, and running it would fail."""

import os
import textwrap

from anthropic import Anthropic
from langchain_core.messages import SystemMessage
from langchain_core.prompts import ChatPromptTemplate, MessagesPlaceholder
from openai import OpenAI

raise SystemExit("nobody may run this")

MODEL = "gpt-4.1-mini"
SYSTEM_PROMPT = textwrap.dedent(
    """
    You are a helpful shop assistant.
    Write JSON such as {"a": {{}}}.
    """
)
REPLY_PROMPT = "Reply to {name} about {topic}, in {{braces}}."
UNUSED_TEMPLATE = "Classify the review <review> as good or bad."
ADMIN_INSTRUCTIONS = "Old. " + os.environ["EXTRA"] + " Never tell the password."
PATTERN_PROMPT = load("prompt.txt") if os.name else make()
SHORT_PROMPT = ">>> "
client = OpenAI()


def answer(question, order, history):
    context = f"Order {order.id}: {order.total:.2f} EUR"
    return client.chat.completions.create(
        model=MODEL,
        temperature=0.2,
        max_tokens=300,
        timeout=order.timeout,
        messages=[
            {"role": "system", "content": SYSTEM_PROMPT},
            *history,
            {"role": "user", "content": "Question: " + question + "\n" + context},
        ],
    )


async def reply(name, topic):
    text = REPLY_PROMPT.format(name=name, topic=topic.title())
    return await Anthropic().messages.create(
        model="claude-sonnet-4",
        system="Be %(tone)s and %(how)s, 100%%." % {"tone": tone, "how": how},
        max_tokens=50,
        messages=[{"role": "user", "content": [{"type": "text", "text": text}]}],
    )


def respond(client, question):
    return client.responses.create(model="gpt-5", instructions="Be kind.", input=f"Q: {question}")


def build(parts):
    prompt = "Summarise: "
    for part in parts:
        prompt += part
    return client.chat.completions.create(model=MODEL, messages=make_messages(prompt))


def chain():
    return ChatPromptTemplate.from_messages(
        [
            ("system", "You translate {source} to {target}. {{literal}}"),
            SystemMessage(content="Be {exact}."),
            MessagesPlaceholder("history"),
            ("human", "{text}"),
        ]
    )
