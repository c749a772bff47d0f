"""Errors as the ClickHouse server words them, and the HTTP status each one gets.

Refuses to invent: an engine error keeps its code and text, and the front's own
errors use the server's names. Invariant: every error that leaves the front has a
code, a name in parentheses and the status the server gives that name.
"""

import re

# By name, because the numbers differ between the documents but the names do not.
_STATUS_BY_NAME = {
    401: "REQUIRED_PASSWORD",
    403: "UNKNOWN_USER WRONG_PASSWORD AUTHENTICATION_FAILED SET_NON_GRANTED_ROLE ACCESS_DENIED",
    400: "BAD_ARGUMENTS CANNOT_COMPILE_REGEXP CANNOT_PARSE_TEXT CANNOT_PARSE_ESCAPE_SEQUENCE "
    "CANNOT_PARSE_QUOTED_STRING CANNOT_PARSE_DATE CANNOT_PARSE_DATETIME CANNOT_PARSE_NUMBER "
    "CANNOT_PARSE_DOMAIN_VALUE_FROM_STRING CANNOT_PARSE_IPV4 CANNOT_PARSE_IPV6 "
    "CANNOT_PARSE_INPUT_ASSERTION_FAILED CANNOT_PARSE_UUID DUPLICATE_COLUMN ILLEGAL_COLUMN "
    "UNKNOWN_ELEMENT_IN_AST UNKNOWN_TYPE_OF_AST_NODE THERE_IS_NO_COLUMN TOO_DEEP_AST TOO_BIG_AST "
    "UNEXPECTED_AST_STRUCTURE SYNTAX_ERROR INCORRECT_DATA TYPE_MISMATCH "
    "VALUE_IS_OUT_OF_RANGE_OF_DATA_TYPE",
    404: "UNKNOWN_TABLE UNKNOWN_FUNCTION UNKNOWN_IDENTIFIER UNKNOWN_TYPE UNKNOWN_STORAGE "
    "UNKNOWN_DATABASE UNKNOWN_SETTING UNKNOWN_DIRECTION_OF_SORTING UNKNOWN_AGGREGATE_FUNCTION "
    "UNKNOWN_FORMAT UNKNOWN_DATABASE_ENGINE UNKNOWN_TYPE_OF_QUERY UNKNOWN_ROLE",
    408: "TIMEOUT_EXCEEDED",
    411: "HTTP_LENGTH_REQUIRED",
    413: "QUERY_IS_TOO_LARGE",
    415: "UNSUPPORTED_MEDIA_TYPE",
    501: "NOT_IMPLEMENTED",
    503: "SOCKET_TIMEOUT CANNOT_OPEN_FILE CANNOT_SCHEDULE_TASK",
}
_STATUS = {name: status for status, names in _STATUS_BY_NAME.items() for name in names.split()}

_CODE = re.compile(r"Code: (\d+)\. DB::Exception: ")
_NAME = re.compile(r"\(([A-Z][A-Z0-9_]+)\)\s*$")
# INFILE wraps the parser's error in a second one with the same code.
_TWICE = re.compile(
    r"Code: (\d+)\. (DB::Exception: )Code: \1\. DB::Exception: (.*)"
    r" \(([A-Z0-9_]+)\) \(version [^)]*\)\.? \(\4\)\s*$",
    re.S,
)


class ClickHouseError(Exception):
    """One error with the server's code, name and text."""

    def __init__(self, code, name, text, status=None):
        super().__init__(text)
        self.code = code
        self.name = name
        self.text = text
        self.status = status or _STATUS.get(name, 500)

    def body(self, version):
        """The response body: one line, as the server writes it."""
        return (
            f"Code: {self.code}. DB::Exception: {self.text} ({self.name}) "
            f"(version {version} (official build))\n"
        )


def from_engine(error):
    """Reads the code, the name and the text out of an engine exception."""
    message = str(error)
    start = message.find("Code: ")
    message = message[start:] if start >= 0 else message
    twice = _TWICE.match(message)
    if twice:
        message = f"Code: {twice[1]}. {twice[2]}{twice[3]} ({twice[4]})"
    code, name = _CODE.match(message), _NAME.search(message)
    if not code or not name:
        return ClickHouseError(1002, "UNKNOWN_EXCEPTION", message.strip())
    return ClickHouseError(int(code[1]), name[1], message[code.end() : name.start()].strip())
