package analyzers

import (
	"bytes"
	"html"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"
)

// span is the position in the original text of a byte of the cleaned text.
type span struct{ start, end int32 }

// clean returns the text in compatibility-composed Unicode (NFKC), without HTML tags and with decoded entities. If that
// differs from the text, spans holds the position in the text of each byte.
func clean(text []byte) (cleaned []byte, spans []span) {
	if isPlain(text) {
		return text, nil
	}
	c := cleaner{out: make([]byte, 0, len(text)+8), spans: make([]span, 0, len(text)+8)}
	for i := 0; i < len(text); {
		i = c.next(text, i)
	}
	return c.out, c.spans
}

// isPlain reports whether there is nothing to clean.
func isPlain(text []byte) bool {
	ascii := true
	for _, b := range text {
		switch {
		case b == '<' || b == '&' || b == '_' || b == '`':
			return false
		case b >= utf8.RuneSelf:
			ascii = false
		}
	}
	return ascii || norm.NFKC.IsNormal(text) && !bytes.ContainsAny(text, "\u2122\u2120\u00b4")
}

type cleaner struct {
	out   []byte
	spans []span
}

// next cleans the tag, entity or character at text[i], and returns the position after it.
func (c *cleaner) next(text []byte, i int) int {
	switch text[i] {
	case '<':
		if end := tagEnd(text[i:]); end > 0 {
			c.add(" ", i, i+end)
			return i + end
		}
	case '&':
		if decoded, end := entity(text[i:]); end > 0 {
			c.add(decoded, i, i+end)
			return i + end
		}
	case '_': // Unicode's rules would join the words, as in programs
		c.add(" ", i, i+1)
		return i + 1
	case '`':
		c.add("'", i, i+1)
		return i + 1
	}
	if text[i] < utf8.RuneSelf && (i+1 == len(text) || text[i+1] < utf8.RuneSelf) {
		c.add(string(text[i]), i, i+1)
		return i + 1
	}
	r, size := utf8.DecodeRune(text[i:])
	switch {
	case r == '\u2122' || r == '\u2120': // trade and service marks, which NFKC turns into letters
		c.add(" ", i, i+size)
		return i + size
	case r == '\u00b4': // an acute accent used as an apostrophe, which NFKC turns into a space and an accent
		c.add("'", i, i+size)
		return i + size
	case r >= '\u00bc' && r <= '\u00be' || r >= '\u2150' && r <= '\u215e': // fractions: 1½ is not 11/2
		c.add(" ", i, i)
	}
	end := i + max(1, norm.NFKC.NextBoundary(text[i:], true))
	c.add(string(norm.NFKC.Bytes(text[i:end])), i, end)
	return end
}

func (c *cleaner) add(s string, start, end int) {
	c.out = append(c.out, s...)
	for range len(s) {
		c.spans = append(c.spans, span{int32(start), int32(end)}) //nolint:gosec // bodies are smaller than 2 GiB
	}
}

// maxTag is the length of the longest tag.
const maxTag = 2000

// tagEnd returns the length of the tag at the start of text, or 0 if there is none.
func tagEnd(text []byte) int {
	if bytes.HasPrefix(text, []byte("<!--")) {
		if end := bytes.Index(text, []byte("-->")); end > 0 {
			return end + len("-->")
		}
		return 0
	}
	if len(text) < 3 {
		return 0
	}
	first := text[1]
	if first == '/' {
		first = text[2]
	}
	if first|0x20 < 'a' || first|0x20 > 'z' {
		return 0
	}
	end := bytes.IndexByte(text[:min(len(text), maxTag)], '>')
	if end < 0 || bytes.IndexByte(text[1:end], '<') >= 0 {
		return 0
	}
	return end + 1
}

// maxEntity is the length of the longest entity, &CounterClockwiseContourIntegral;
const maxEntity = 34

// entity decodes the entity at the start of text, and returns its characters and its length, or 0 if there is none.
func entity(text []byte) (string, int) {
	end := bytes.IndexByte(text[:min(len(text), maxEntity)], ';') + 1
	if end == 0 {
		return "", 0
	}
	decoded := html.UnescapeString(string(text[:end]))
	if decoded == string(text[:end]) {
		return "", 0
	}
	return norm.NFKC.String(decoded), end
}
