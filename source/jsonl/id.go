package jsonl

import (
	"bytes"
	"fmt"
	"strconv"
	"unicode/utf16"
	"unicode/utf8"
)

// findID returns the value of the first member called field of the JSON object that line begins with, which must be a string or an
// integer. It looks no further than that, and is not strict about what comes before: for valid JSON the answer is right, and what is
// no valid JSON is found by whoever decodes the line.
func findID(line []byte, field string) (string, error) {
	i := skipSpace(line, 0)
	if i == len(line) || line[i] != '{' {
		return "", fmt.Errorf("%w: the line is no JSON object, it begins with %s", ErrNoID, describe(line, i))
	}
	i = skipSpace(line, i+1)
	if i < len(line) && line[i] == '}' {
		return "", missing(field)
	}
	for {
		key, next, err := member(line, i)
		if err != nil {
			return "", err
		}
		if isKey(key, field) {
			return idValue(line, next, field)
		}
		if i = skipValue(line, next); i < 0 {
			return "", malformed(line, len(line))
		}
		i = skipSpace(line, i)
		switch {
		case i < len(line) && line[i] == ',':
			i = skipSpace(line, i+1)
		case i < len(line) && line[i] == '}':
			return "", missing(field)
		default:
			return "", malformed(line, i)
		}
	}
}

// member returns the key of the member at i, between its quotes, and where its value begins.
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
		return "", fmt.Errorf("%w: the value of %q must be a string or an integer, it begins with %s", ErrNoID, field, describe(line, i))
	}
	return string(text), nil
}

// skipValue returns where the value at i ends, or -1 where it does not.
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

// skipNested returns where the object or array at i ends, or -1 where it does not.
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

// stringEnd returns the index of the quote that ends the string whose text begins at i, or -1 where there is none.
func stringEnd(line []byte, i int) int {
	for i < len(line) {
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

// scalarEnd returns where the number or literal at i ends.
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

// unescape returns the value of a JSON string from the text between its quotes. Unlike encoding/json it refuses half a surrogate pair
// rather than to replace it, so that two ids never become one.
func unescape(text []byte) (string, error) {
	out := make([]byte, 0, len(text))
	for len(text) > 0 {
		i := bytes.IndexByte(text, '\\')
		if i < 0 {
			out = append(out, text...)
			break
		}
		out = append(out, text[:i]...)
		r, size := escape(text[i:])
		if size == 0 {
			return "", fmt.Errorf("holds a bad escape sequence at byte %d", len(out))
		}
		out = utf8.AppendRune(out, r)
		text = text[i+size:]
	}
	return string(out), nil
}

// escape decodes the escape sequence that text begins with; the size is 0 where it is none.
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
	return fmt.Errorf("%w: the product has no member %q; every line needs one, Config.IDField names it", ErrNoID, field)
}

func malformed(line []byte, i int) error {
	if i >= len(line) {
		return fmt.Errorf("%w: the line ends in the middle of the object; a product is one object on one line", ErrNoID)
	}
	return fmt.Errorf("%w: the line is not valid JSON, see %s at byte %d of it", ErrNoID, describe(line, i), i+1)
}

// describe names the byte at i. It never shows more of a product.
func describe(line []byte, i int) string {
	if i >= len(line) {
		return "nothing"
	}
	return strconv.QuoteRune(rune(line[i]))
}
