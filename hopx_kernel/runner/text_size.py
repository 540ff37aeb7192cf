"""How large a `TextMemory` is, for whoever makes the file that it lies in. Imports nothing."""

__all__ = ["HALF_BYTES", "NAMES_BYTES", "NAME_BYTES", "SOURCE_COUNT", "TEXT_BYTES"]

#: Bytes of one half: a flood fills some hundreds of them, and what is quiet touches a page of each.
HALF_BYTES = 128 * 1024

#: How many sources there can be, and bytes for the name of one: a digit for the stream, the id of the request.
SOURCE_COUNT, NAME_BYTES = 64, 256

#: Where the words lie among the last bytes, behind the names. What is mapped begins at a multiple of any page's size.
NAMES_BYTES, WORDS_BYTES = SOURCE_COUNT * NAME_BYTES, 4096

#: All of it.
TEXT_BYTES = 2 * HALF_BYTES + NAMES_BYTES + WORDS_BYTES
