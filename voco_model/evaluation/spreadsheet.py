"""A spreadsheet's first sheet, read and written: the only form that MMBench's server takes."""

import re
import zipfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any
from xml.etree import ElementTree
from xml.sax.saxutils import escape

from voco_model.errors import VocoError
from voco_model.evaluation.files import Record
from voco_model.files import whole_file

_MAIN = "http://schemas.openxmlformats.org/spreadsheetml/2006/main"
_OFFICE = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
_PACKAGE = "http://schemas.openxmlformats.org/package/2006"
_TYPES = "application/vnd.openxmlformats-officedocument.spreadsheetml"
_HEAD = '<?xml version="1.0" encoding="UTF-8" standalone="yes"?>\n'
_SHEET = "xl/worksheets/sheet1.xml"
_TEXTS = "xl/sharedStrings.xml"
_LARGEST = 1 << 28
"""Bytes of a part that is read."""
_NO_XML = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\ufffe\uffff]")


def write_sheet(path: Path, rows: Sequence[Sequence[Any]]) -> None:
    """One sheet: numbers as numbers, all else as text, None as an empty cell."""
    cells = "".join(f"<row>{''.join(map(_cell, row))}</row>" for row in rows)
    parts = {
        "[Content_Types].xml": f'<Types xmlns="{_PACKAGE}/content-types">'
        '<Default Extension="rels" ContentType="application/vnd.openxmlformats-package.relationships+xml"/>'
        f'<Override PartName="/xl/workbook.xml" ContentType="{_TYPES}.sheet.main+xml"/>'
        f'<Override PartName="/{_SHEET}" ContentType="{_TYPES}.worksheet+xml"/></Types>',
        "_rels/.rels": _relation("officeDocument", "xl/workbook.xml"),
        "xl/workbook.xml": f'<workbook xmlns="{_MAIN}" xmlns:r="{_OFFICE}"><sheets>'
        '<sheet name="Sheet1" sheetId="1" r:id="rId1"/></sheets></workbook>',
        "xl/_rels/workbook.xml.rels": _relation("worksheet", "worksheets/sheet1.xml"),
        _SHEET: f'<worksheet xmlns="{_MAIN}"><sheetData>{cells}</sheetData></worksheet>',
    }
    with whole_file(path) as temporary, zipfile.ZipFile(temporary, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, text in parts.items():
            archive.writestr(zipfile.ZipInfo(name), _HEAD + text)  # without the time: the same file again


def _relation(kind: str, target: str) -> str:
    one = f'<Relationship Id="rId1" Type="{_OFFICE}/{kind}" Target="{target}"/>'
    return f'<Relationships xmlns="{_PACKAGE}/relationships">{one}</Relationships>'


def _cell(value: Any) -> str:
    if value is None:
        return "<c/>"
    if isinstance(value, int):
        return f"<c><v>{value}</v></c>"
    text = escape(_NO_XML.sub("", str(value)))
    return f'<c t="inlineStr"><is><t xml:space="preserve">{text}</t></is></c>'


def read_sheet(path: Path, needed: Sequence[str]) -> list[Record]:
    """The rows below the header, as texts; empty cells stay out."""
    try:
        with zipfile.ZipFile(path) as archive:
            texts = _shared(archive)
            rows = [_row(row, texts) for row in _part(archive, _SHEET).iter(f"{{{_MAIN}}}row")]
    except (zipfile.BadZipFile, KeyError, IndexError, ValueError, ElementTree.ParseError, OSError) as error:
        raise VocoError(f"{path}: not a spreadsheet that can be read: {error}") from None
    header = rows[0] if rows else {}
    if missing := [name for name in needed if name not in header.values()]:
        raise VocoError(f"{path}: no column {', '.join(missing)}; found {', '.join(header.values()) or 'none'}")
    return [
        Record(path, number, {header[column]: cell for column, cell in row.items() if column in header and cell})
        for number, row in enumerate(rows[1:], start=1)
    ]


def _part(archive: zipfile.ZipFile, name: str) -> ElementTree.Element:
    if archive.getinfo(name).file_size > _LARGEST:
        raise ValueError(f"{name} unpacks to more than {_LARGEST:,} bytes")
    return ElementTree.fromstring(archive.read(name))


def _shared(archive: zipfile.ZipFile) -> list[str]:
    """Texts that cells point to by number."""
    if _TEXTS not in archive.namelist():
        return []
    return [_all_text(one) for one in _part(archive, _TEXTS).iter(f"{{{_MAIN}}}si")]


def _all_text(element: ElementTree.Element) -> str:
    return "".join(part.text or "" for part in element.iter(f"{{{_MAIN}}}t"))


def _row(row: ElementTree.Element, texts: Sequence[str]) -> dict[int, str]:
    """Cells by column; a cell may name its place, else it follows the one before it."""
    out, column = {}, -1
    for cell in row.iter(f"{{{_MAIN}}}c"):
        letters = re.match(r"[A-Z]+", cell.get("r", ""))
        column = _column(letters[0]) if letters else column + 1
        value = cell.find(f"{{{_MAIN}}}v")
        if cell.get("t") == "s" and value is not None:
            out[column] = texts[int(value.text or 0)]
        elif cell.get("t") == "inlineStr":
            out[column] = _all_text(cell)
        elif value is not None:
            out[column] = value.text or ""
    return out


def _column(letters: str) -> int:
    number = 0
    for letter in letters:
        number = number * 26 + ord(letter) - ord("A") + 1
    return number - 1
