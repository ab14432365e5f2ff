package jsonl

import (
	"bytes"
	"fmt"
	"strconv"
	"unicode/utf16"
	"unicode/utf8"

	"productindex/source/internal/jsonenc"
)

// findID returns the value of the first member called field of the JSON object with which text begins. The value must
// be a string or an integer. A field "a.b" is also the member b of an object that is the member a. findID reads no
// further than that member, and does not fully check the text before it. The result is right for valid JSON, and the
// engine rejects text that is not valid.
func findID(text []byte, field string) (string, error) {
	i := skipSpace(text, 0)
	if i == len(text) || text[i] != '{' {
		return "", fmt.Errorf("%w: the record is not a JSON object; it begins with %s", ErrNoID, describe(text, i))
	}
	at, _, err := find(text, i, field)
	if err != nil {
		return "", err
	}
	if at < 0 {
		return "", missing(field)
	}
	return idValue(text, at, field)
}

// find returns the start of the value of the member called field in the object at i, or -1 and the end of the object.
func find(line []byte, i int, field string) (at, end int, err error) {
	i = skipSpace(line, i+1)
	if i < len(line) && line[i] == '}' {
		return -1, i + 1, nil
	}
	for {
		key, next, err := member(line, i)
		if err != nil {
			return 0, 0, err
		}
		if isKey(key, field) {
			return next, 0, nil
		}
		if rest, ok := under(key, field); ok && next < len(line) && line[next] == '{' {
			at, end, err := find(line, next, rest)
			if err != nil || at >= 0 {
				return at, end, err
			}
			i = end
		} else if i = skipValue(line, next); i < 0 {
			return 0, 0, malformed(line, len(line))
		}
		i = skipSpace(line, i)
		switch {
		case i < len(line) && line[i] == ',':
			i = skipSpace(line, i+1)
		case i < len(line) && line[i] == '}':
			return -1, i + 1, nil
		default:
			return 0, 0, malformed(line, i)
		}
	}
}

// under returns the part of field after key and a dot. key is the text between the quotes of a key.
func under(key []byte, field string) (rest string, ok bool) {
	if bytes.IndexByte(key, '\\') >= 0 {
		s, err := unescape(key)
		if err != nil {
			return "", false
		}
		key = []byte(s)
	}
	if len(key) >= len(field) || field[len(key)] != '.' || field[:len(key)] != string(key) {
		return "", false
	}
	return field[len(key)+1:], true
}

// member returns the key of the member at i, between its quotes, and the start of its value.
func member(line []byte, i int) (key []byte, value int, err error) {
	if i == len(line) || line[i] != '"' {
		return nil, 0, malformed(line, i)
	}
	end := stringEnd(line, i+1)
	if end < 0 {
		return nil, 0, malformed(line, len(line))
	}
	key = line[i+1 : end]
	if i = skipSpace(line, end+1); i == len(line) || line[i] != ':' {
		return nil, 0, malformed(line, i)
	}
	return key, skipSpace(line, i+1), nil
}

// isKey reports whether the key, between its quotes, is field.
func isKey(key []byte, field string) bool {
	if bytes.IndexByte(key, '\\') < 0 {
		return string(key) == field
	}
	s, err := unescape(key)
	return err == nil && s == field
}

// idValue returns the id that begins at i.
func idValue(line []byte, i int, field string) (string, error) {
	if i == len(line) {
		return "", malformed(line, i)
	}
	if line[i] != '"' {
		return intValue(line, i, field)
	}
	end := stringEnd(line, i+1)
	if end < 0 {
		return "", malformed(line, len(line))
	}
	text := line[i+1 : end]
	switch {
	case len(text) == 0:
		return "", fmt.Errorf("%w: %q is the empty string", ErrNoID, field)
	case !utf8.Valid(text):
		return "", fmt.Errorf("%w: the value of %q is not valid UTF-8; convert the file to UTF-8", ErrNoID, field)
	case bytes.IndexByte(text, '\\') < 0:
		return string(text), nil
	}
	id, err := unescape(text)
	if err != nil {
		return "", fmt.Errorf("%w: the value of %q %w", ErrNoID, field, err)
	}
	return id, nil
}

// intValue returns the integer at i as it is spelled.
func intValue(line []byte, i int, field string) (string, error) {
	text := line[i:scalarEnd(line, i)]
	digits := bytes.TrimPrefix(text, []byte("-"))
	ok := len(digits) > 0 && (digits[0] != '0' || len(digits) == 1)
	for _, c := range digits {
		ok = ok && '0' <= c && c <= '9'
	}
	if !ok {
		return "", fmt.Errorf(
			"%w: the value of %q must be a string or an integer; it is %s",
			ErrNoID,
			field,
			describeValue(line, i),
		)
	}
	return string(text), nil
}

// skipValue returns the end of the value at i, or -1 if it has none.
func skipValue(line []byte, i int) int {
	if i == len(line) {
		return -1
	}
	switch line[i] {
	case '"':
		end := stringEnd(line, i+1)
		if end < 0 {
			return -1
		}
		return end + 1
	case '{', '[':
		return skipNested(line, i)
	default:
		return scalarEnd(line, i)
	}
}

// skipNested returns the end of the object or array at i, or -1 if it has none.
func skipNested(line []byte, i int) int {
	for depth := 0; i < len(line); i++ {
		switch line[i] {
		case '"':
			if i = stringEnd(line, i+1); i < 0 {
				return -1
			}
		case '{', '[':
			depth++
		case '}', ']':
			if depth--; depth == 0 {
				return i + 1
			}
		}
	}
	return -1
}

// stringEnd returns the index of the quote that ends the string whose text begins at i, or -1 if there is none.
func stringEnd(line []byte, i int) int {
	end := bytes.IndexByte(line[i:], '"')
	if end < 0 {
		return -1
	}
	escape := bytes.IndexByte(line[i:i+end], '\\')
	if escape < 0 {
		return i + end
	}
	for i += escape; i < len(line); {
		switch line[i] {
		case '"':
			return i
		case '\\':
			i += 2
		default:
			i++
		}
	}
	return -1
}

// scalarEnd returns the end of the number or literal at i.
func scalarEnd(line []byte, i int) int {
	for i < len(line) {
		switch line[i] {
		case ',', '}', ']', ' ', '\t', '\r', '\n':
			return i
		}
		i++
	}
	return i
}

func skipSpace(line []byte, i int) int {
	for i < len(line) && isSpace(line[i]) {
		i++
	}
	return i
}

func isSpace(c byte) bool { return c == ' ' || c == '\t' || c == '\r' || c == '\n' }

// unescape returns the value of a JSON string from the text between its quotes. It refuses half a surrogate pair, which
// encoding/json replaces, so that two ids never become one.
func unescape(text []byte) (string, error) {
	out := make([]byte, 0, len(text))
	for size := len(text); len(text) > 0; {
		i := bytes.IndexByte(text, '\\')
		if i < 0 {
			out = append(out, text...)
			break
		}
		out = append(out, text[:i]...)
		r, used := escape(text[i:])
		if used == 0 {
			return "", fmt.Errorf("holds a bad escape sequence at byte %d", size-len(text)+i+1)
		}
		out = utf8.AppendRune(out, r)
		text = text[i+used:]
	}
	return string(out), nil
}

// escape decodes the escape sequence that text begins with. The size is 0 if it is not valid.
func escape(text []byte) (r rune, size int) {
	if len(text) < 2 {
		return 0, 0
	}
	switch c := text[1]; c {
	case '"', '\\', '/':
		return rune(c), 2
	case 'b':
		return '\b', 2
	case 'f':
		return '\f', 2
	case 'n':
		return '\n', 2
	case 'r':
		return '\r', 2
	case 't':
		return '\t', 2
	}
	r, ok := unit(text)
	if !ok || !utf16.IsSurrogate(r) {
		return r, sizeIf(ok, 6)
	}
	low, ok := unit(text[6:])
	r = utf16.DecodeRune(r, low)
	return r, sizeIf(ok && r != utf8.RuneError, 12)
}

func sizeIf(ok bool, size int) int {
	if !ok {
		return 0
	}
	return size
}

// unit decodes the \uXXXX that text begins with.
func unit(text []byte) (r rune, ok bool) {
	if len(text) < 6 || text[0] != '\\' || text[1] != 'u' {
		return 0, false
	}
	u, err := strconv.ParseUint(string(text[2:6]), 16, 16)
	return rune(u), err == nil
}

func missing(field string) error {
	return fmt.Errorf("%w: the product has no member %q, which Config.IDField names", ErrNoID, field)
}

func malformed(line []byte, i int) error {
	if i >= len(line) {
		return fmt.Errorf(
			"%w: the record ends in the middle of the object; each line must hold one whole object",
			ErrNoID,
		)
	}
	return fmt.Errorf("%w: the record is not valid JSON, because of %s at byte %d", ErrNoID, describe(line, i), i+1)
}

// describe names the character at i. It never shows more of a product.
func describe(line []byte, i int) string {
	if i >= len(line) {
		return "nothing"
	}
	switch r, size := utf8.DecodeRune(line[i:]); {
	case r == '\ufeff':
		return "a byte order mark"
	case r == utf8.RuneError && size == 1:
		return fmt.Sprintf("the byte 0x%02x, which is not UTF-8", line[i])
	default:
		return strconv.QuoteRune(r)
	}
}

// describeValue names the kind of the value at i.
func describeValue(line []byte, i int) string {
	text := line[i:scalarEnd(line, i)]
	switch c := line[i]; {
	case c == '{':
		return "an object"
	case c == '[':
		return "an array"
	case string(text) == "null", string(text) == "true", string(text) == "false":
		return string(text)
	case jsonenc.IsNumber(text):
		return "a number with a fraction or an exponent"
	}
	return "not a JSON value, but begins with " + describe(line, i)
}
