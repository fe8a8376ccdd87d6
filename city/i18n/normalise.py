"""Writes every catalogue in its normal form: `python -m city.i18n.normalise`.

Comments and the order of keys are those of the English file. A key of one language is in the files of all. Each text
has another language's text beside it. What editors add to the head of a file, such as names of persons, is left out.
"""

from __future__ import annotations

import io
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from babel.messages.catalog import Catalog, Message
from babel.messages.pofile import read_po, write_po

from city.i18n.catalogue import CATALOGUES, LANGS, LOCALE, Lang, path_of

REFERENCE: Final[Lang] = "en"
"""The language whose file has the order and the comments, and whose texts stand beside those of the others."""

_HEAD: Final = """# {domain}: {language}. How to edit: docs/translating.md.
msgid ""
msgstr ""
"Project-Id-Version: jaga-kota\\n"
"Language: {lang}\\n"
"MIME-Version: 1.0\\n"
"Content-Type: text/plain; charset=UTF-8\\n"
"Content-Transfer-Encoding: 8bit\\n"
"Plural-Forms: {plural_forms}\\n"

"""


def main() -> None:
    """Write the files that are not in normal form, and print their paths."""
    for catalogue in CATALOGUES:
        for lang in LANGS:
            path, content = path_of(catalogue.domain, lang), normal_form(catalogue.domain, lang)
            if path.read_text(encoding="utf-8") != content:
                path.write_text(content, encoding="utf-8")
                print(path)


def normal_form(domain: str, lang: Lang, folder: Path = LOCALE) -> str:
    """The content of a catalogue's file in normal form; a text that the language lacks is empty in it.

    Raises:
        OSError: A language has no such file.
        PoFileError: A file is not valid.
        ValueError: A key is twice in a file, or has plural forms in some languages only.
    """
    read = {name: _messages(path_of(domain, name, folder)) for name in LANGS}
    beside = REFERENCE if lang != REFERENCE else next(name for name in LANGS if name != REFERENCE)
    catalog = Catalog(locale=lang, domain=domain)
    for key in {key: None for messages in (read[REFERENCE], *read.values()) for key in messages}:
        known = [messages[key] for messages in (read[REFERENCE], *read.values()) if key in messages]
        if len({message.pluralizable for message in known}) > 1:
            raise ValueError(f"{domain}: {key} has plural forms in some languages only")
        own = read[lang].get(key)
        catalog.add(
            known[0].id,
            own.string if own else None,
            flags=own.flags if own else (),
            auto_comments=[f"{beside}: {_last_form(read[beside][key])}"] if key in read[beside] else [],
            user_comments=known[0].user_comments,
        )
    body = io.BytesIO()
    write_po(body, catalog, omit_header=True)
    head = _HEAD.format(domain=domain, language=LANGS[lang], lang=lang, plural_forms=catalog.plural_forms)
    return head + body.getvalue().decode().rstrip("\n") + "\n"


def _messages(path: Path) -> Mapping[str, Message]:
    """The messages of a file by their keys."""
    content = path.read_bytes()
    catalog = read_po(io.BytesIO(content), abort_invalid=True)
    messages = {message.id if isinstance(message.id, str) else message.id[0]: message for message in catalog}
    # Babel keeps the first of two messages with the same key, and drops the other.
    if len(re.findall(rb"^msgid ", content, re.MULTILINE)) != len(messages):
        raise ValueError(f"{path}: a key is there twice")
    del messages[""]
    return messages


def _last_form(message: Message) -> str:
    return message.string if isinstance(message.string, str) else (message.string or ("",))[-1]


if __name__ == "__main__":
    main()
