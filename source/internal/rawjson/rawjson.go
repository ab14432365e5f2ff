// Package rawjson walks through JSON text without decoding it, so that a caller can copy parts of the text unchanged.
// The text must be valid (see [encoding/json.Valid]). For other text the results are meaningless, but no function
// panics.
package rawjson

import (
	"bytes"
	"encoding/json"
	"iter"
)

// Members yields the members of an object: the text of each name, including its quotes, and the value without
// surrounding space.
func Members(object []byte) iter.Seq2[[]byte, []byte] {
	return func(yield func(name, value []byte) bool) {
		i := skipSpace(object, 0)
		if i >= len(object) || object[i] != '{' {
			return
		}
		for i = skipSpace(object, i+1); i < len(object) && object[i] == '"'; {
			nameEnd := skipString(object, i)
			start := skipSpace(object, skipSpace(object, nameEnd)+1) // past the colon
			if start >= len(object) {
				return
			}
			end := skipValue(object, start)
			if !yield(object[i:nameEnd], object[start:end]) {
				return
			}
			i = skipSpace(object, skipSpace(object, end)+1) // past the comma
		}
	}
}

// Elements yields the elements of an array without surrounding space.
func Elements(array []byte) iter.Seq[[]byte] {
	return func(yield func([]byte) bool) {
		i := skipSpace(array, 0)
		if i >= len(array) || array[i] != '[' {
			return
		}
		for i = skipSpace(array, i+1); i < len(array) && array[i] != ']'; {
			end := skipValue(array, i)
			if !yield(array[i:end]) {
				return
			}
			i = skipSpace(array, skipSpace(array, end)+1) // past the comma
		}
	}
}

// Text returns the value of a quoted string.
func Text(quoted []byte) string {
	if len(quoted) >= 2 && bytes.IndexByte(quoted, '\\') < 0 {
		return string(quoted[1 : len(quoted)-1])
	}
	var s string
	if json.Unmarshal(quoted, &s) != nil {
		return ""
	}
	return s
}

// Get returns the value of an object's member, or nil. If several members have that name, the last one counts, as in
// encoding/json.
func Get(object []byte, name string) []byte {
	var found []byte
	for n, value := range Members(object) {
		if Text(n) == name {
			found = value
		}
	}
	return found
}

// skipValue returns the end of the value that begins at i.
func skipValue(b []byte, i int) int {
	switch b[i] {
	case '"':
		return skipString(b, i)
	case '{', '[':
		return skipNested(b, i)
	default:
		for i++; i < len(b); i++ {
			switch b[i] {
			case ',', ']', '}', ' ', '\t', '\r', '\n':
				return i
			}
		}
		return i
	}
}

// skipNested returns the end of the object or array that begins at i.
func skipNested(b []byte, i int) int {
	for depth := 0; i < len(b); {
		switch b[i] {
		case '"':
			i = skipString(b, i)
			continue
		case '{', '[':
			depth++
		case '}', ']':
			if depth--; depth == 0 {
				return i + 1
			}
		}
		i++
	}
	return len(b)
}

// skipString returns the end of the string that begins at i.
func skipString(b []byte, i int) int {
	for i++; i < len(b); i++ {
		switch b[i] {
		case '\\':
			i++
		case '"':
			return i + 1
		}
	}
	return len(b)
}

func skipSpace(b []byte, i int) int {
	for i < len(b) && (b[i] == ' ' || b[i] == '\t' || b[i] == '\r' || b[i] == '\n') {
		i++
	}
	return min(i, len(b))
}
