"""The catalogues of texts: complete in every language, in normal form, and read with the plural rule of their file."""

from __future__ import annotations

import re
import string
import subprocess
import sys
from pathlib import Path

import pytest
from babel.messages.catalog import Message
from babel.messages.plurals import get_plural
from babel.messages.pofile import PoFileError, read_po

from city.i18n.catalogue import CATALOGUES, CONSOLE_TEXTS, DEFAULT_LANG, LANGS, LOCALE, Catalogue, Lang, path_of
from city.i18n.normalise import normal_form
from tests.support.brokers import ROOT

DOMAINS = [catalogue.domain for catalogue in CATALOGUES]
HEAD = 'msgid ""\nmsgstr ""\n"Content-Type: text/plain; charset=UTF-8\\n"\n"Plural-Forms: {rule}\\n"\n\n'
RULE = "nplurals=2; plural=(n != 1);"
ONE_TEXT = 'msgid "a"\nmsgstr "{lang} a"\n'


def messages(domain: str, lang: Lang) -> dict[str, Message]:
    """The messages of a committed file as Babel reads them, by their keys."""
    with path_of(domain, lang).open("rb") as file:
        catalog = read_po(file, abort_invalid=True)
    return {message.id if isinstance(message.id, str) else message.id[0]: message for message in catalog if message.id}


def forms(message: Message) -> list[str]:
    """Its text, or all its plural forms."""
    return [message.string] if isinstance(message.string, str) else list(message.string or ())


def placeholders(text: str) -> set[str]:
    return {name for _, name, _, _ in string.Formatter().parse(text) if name}


def made(folder: Path, texts: dict[Lang, str], rule: str = RULE) -> Catalogue:
    """A catalogue `x` of these files."""
    for lang, text in texts.items():
        path = path_of("x", lang, folder)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(HEAD.format(rule=rule) + text, encoding="utf-8")
    return Catalogue("x", folder)


@pytest.mark.parametrize("domain", DOMAINS)
def test_every_language_has_every_text_with_the_same_placeholders(domain: str) -> None:
    in_default = messages(domain, DEFAULT_LANG)
    for lang in LANGS:
        own = messages(domain, lang)
        assert own.keys() == in_default.keys()
        for key, message in own.items():
            assert message.pluralizable == in_default[key].pluralizable, key
            assert not message.flags, f"{key}: {message.flags}"
            assert all(form.strip() for form in forms(message)), f"{lang}: {key} is empty"
            expected = placeholders(forms(in_default[key])[0])
            assert all(placeholders(form) == expected for form in forms(message)), f"{lang}: {key}"


@pytest.mark.parametrize("domain", DOMAINS)
def test_plural_forms_are_complete_and_show_their_count(domain: str) -> None:
    for lang in LANGS:
        count = get_plural(lang).num_plurals
        for key, message in messages(domain, lang).items():
            if message.pluralizable:
                assert len(forms(message)) == count, f"{lang}: {key}"
                assert all("n" in placeholders(form) for form in forms(message)), f"{lang}: {key}"


@pytest.mark.parametrize("lang", LANGS)
@pytest.mark.parametrize("domain", DOMAINS)
def test_files_are_in_normal_form(domain: str, lang: Lang) -> None:
    assert path_of(domain, lang).read_text(encoding="utf-8") == normal_form(domain, lang), (
        "run python -m city.i18n.normalise"
    )


def test_there_is_no_other_file() -> None:
    files = {path.relative_to(LOCALE) for path in LOCALE.rglob("*") if path.is_file()}
    assert files == {path_of(domain, lang).relative_to(LOCALE) for domain in DOMAINS for lang in LANGS}


def test_separators_are_single_characters() -> None:
    for lang in LANGS:
        assert len(CONSOLE_TEXTS.text("decimal_separator", lang)) == 1
        assert len(CONSOLE_TEXTS.text("thousands_separator", lang)) == 1


@pytest.mark.parametrize(("key", "words"), [("weekdays", 7), ("months", 12)])
def test_lists_of_words_have_all_words(key: str, words: int) -> None:
    assert all(len(CONSOLE_TEXTS.text(key, lang).split()) == words for lang in LANGS)


@pytest.mark.parametrize(
    ("count", "english", "indonesian"),
    [(0, "0 cases to review", "0 kasus"), (1, "1 case to review", "1 kasus"), (2, "2 cases to review", "2 kasus")],
)
def test_the_count_chooses_the_form(count: int, english: str, indonesian: str) -> None:
    assert CONSOLE_TEXTS.plural("to_judge", "en", count) == english
    assert CONSOLE_TEXTS.plural("to_judge", "id", count) == f"{indonesian} belum diperiksa"


def test_english_has_another_form_for_one_but_where_the_word_stays() -> None:
    units = {f"{unit}{end}" for unit in ("seconds", "minutes", "hours") for end in ("", "_ago")}
    same = {
        key
        for catalogue in CATALOGUES
        for key in catalogue
        if catalogue.has_forms(key) and len(set(catalogue.forms(key, "en"))) == 1
    }
    assert same == {*units, "found", "new_devices_more"}


def test_the_plural_rule_is_the_file_s_own(tmp_path: Path) -> None:
    text = 'msgid "a"\nmsgid_plural "a"\nmsgstr[0] "{n} one"\nmsgstr[1] "{n} few"\nmsgstr[2] "{n} many"\n'
    rule = "nplurals=3; plural=(n == 1 ? 0 : n < 5 ? 1 : 2);"
    catalogue = made(tmp_path, dict.fromkeys(LANGS, text), rule)
    assert [catalogue.plural("a", "id", n) for n in (0, 1, 2, 5)] == ["0 few", "1 one", "2 few", "5 many"]


@pytest.mark.parametrize("key", ["b", "", "a.b", "{n}"])
def test_an_unknown_key_is_an_error(tmp_path: Path, key: str) -> None:
    catalogue = made(tmp_path, {lang: ONE_TEXT.format(lang=lang) for lang in LANGS})
    assert key not in catalogue
    for ask in (catalogue.text, catalogue.forms, lambda key, lang: catalogue.plural(key, lang, 1)):
        with pytest.raises(KeyError):
            ask(key, "en")


def test_a_text_without_plural_forms_has_none_and_one_with_them_needs_a_count() -> None:
    with pytest.raises(KeyError, match="menu has no plural forms"):
        CONSOLE_TEXTS.plural("menu", "en", 1)
    with pytest.raises(KeyError, match="to_judge has plural forms"):
        CONSOLE_TEXTS.text("to_judge", "en", n=1)


def test_braces_stay_without_values_and_a_missing_value_is_an_error(tmp_path: Path) -> None:
    catalogue = made(tmp_path, dict.fromkeys(LANGS, 'msgid "a"\nmsgstr "{x} {{nb}}"\n'))
    assert catalogue.text("a", "en") == "{x} {{nb}}"
    assert catalogue.text("a", "en", x="<b>") == "<b> {nb}"
    with pytest.raises(KeyError, match="x"):
        catalogue.text("a", "en", y=1)


def test_texts_below_a_path(tmp_path: Path) -> None:
    text = "\n".join(f'msgid "{key}"\nmsgstr "{key}!"\n' for key in ("states.a", "states.b", "states.c.d", "statesx.e"))
    assert made(tmp_path, dict.fromkeys(LANGS, text)).below("states", "en") == {"a": "states.a!", "b": "states.b!"}


@pytest.mark.parametrize("broken", ['msgid "a"\n', 'msgfoo "a"\nmsgstr "b"\n', 'msgstr[x "a"\n', "\x00\n"])
def test_a_damaged_file_is_refused(tmp_path: Path, broken: str) -> None:
    catalogue = made(tmp_path, dict.fromkeys(LANGS, broken))
    with pytest.raises((PoFileError, ValueError)):
        catalogue.text("a", "en")


def test_normal_form_keeps_every_text_and_no_name_of_a_person(tmp_path: Path) -> None:
    english = '# What it is.\nmsgid "b"\nmsgstr "B"\n\nmsgid "a"\nmsgstr "A"\n'
    indonesian = '# Other.\nmsgid "c"\nmsgstr "C!"\n\nmsgid "a"\nmsgstr "A!"\n'
    made(tmp_path, dict.fromkeys(LANGS, english) | {"id": indonesian})
    path = path_of("x", "id", tmp_path)
    head = '"Last-Translator: Somebody <somebody@city.example>\\n"\n"Plural'
    path.write_text(path.read_text(encoding="utf-8").replace('"Plural', head), encoding="utf-8")
    found = normal_form("x", "id", tmp_path)
    assert "Somebody" not in found
    assert re.findall(r'msgid "(\w)"\nmsgstr "(.*)"', found) == [("b", ""), ("a", "A!"), ("c", "C!")]
    assert '# What it is.\n#. en: B\nmsgid "b"' in found
    path.write_text(found, encoding="utf-8")
    assert normal_form("x", "id", tmp_path) == found


@pytest.mark.parametrize(
    ("indonesian", "reason"),
    [
        (ONE_TEXT + "\n" + ONE_TEXT, "a key is there twice"),
        ('msgid "a"\nmsgid_plural "a"\nmsgstr[0] "A"\n', "plural forms in some languages only"),
    ],
)
def test_normal_form_refuses_what_it_would_lose(tmp_path: Path, indonesian: str, reason: str) -> None:
    made(tmp_path, dict.fromkeys(LANGS, ONE_TEXT) | {"id": indonesian})
    with pytest.raises(ValueError, match=reason):
        normal_form("x", "id", tmp_path)


@pytest.mark.parametrize("module", ["edge.cli", "edge.agent", "ingest.service", "broker.service", "city.cli.status"])
def test_a_process_that_shows_no_text_reads_none(module: str) -> None:
    """Importing a service loads neither Babel nor a catalogue; an edge agent has no Babel at all."""
    code = f"import sys, {module}; sys.exit('babel' in sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True, cwd=ROOT, timeout=120)
