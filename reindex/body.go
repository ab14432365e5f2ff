package reindex

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"math/bits"
	"unicode/utf8"
)

// maxDepth is the largest depth of nested arrays and objects, as in encoding/json.
const maxDepth = 10000

var (
	errNotUTF8   = errors.New("the body is not valid UTF-8")
	errNotObject = errors.New("the body is not a JSON object")
)

// checkBody checks that body is a JSON object and returns it on one line. It copies only a body of several lines.
func checkBody(body json.RawMessage) (json.RawMessage, error) {
	s := scanner{data: body}
	err := s.document()
	// Pure ASCII needs no second check. An error in the encoding is reported rather than an error in the JSON.
	if (err != nil || s.beyondASCII) && !utf8.Valid(body) {
		return nil, errNotUTF8
	}
	if err != nil {
		return nil, err
	}
	if !s.lines {
		return body, nil
	}
	var line bytes.Buffer
	line.Grow(len(body))
	if err := json.Compact(&line, body); err != nil {
		return nil, fmt.Errorf("the body is not valid JSON: %w", err)
	}
	return line.Bytes(), nil
}

// scanner checks JSON text by RFC 8259 without building anything. It does not check for valid UTF-8. It accepts the
// same texts as json.Valid and is several times faster.
type scanner struct {
	data        []byte
	pos         int
	lines       bool // a line feed or carriage return was seen between tokens
	beyondASCII bool // a byte above 127 was seen in a string
}

// document skips one object and the white space around it.
func (s *scanner) document() error {
	s.space()
	if s.peek() != '{' {
		if json.Valid(s.data) {
			return errNotObject
		}
		return s.fail("a JSON object")
	}
	if err := s.value(0); err != nil {
		return err
	}
	s.space()
	if s.pos < len(s.data) {
		return s.fail("nothing after the object")
	}
	return nil
}

func (s *scanner) fail(want string) error {
	if s.pos >= len(s.data) {
		return fmt.Errorf("the body is not valid JSON: it ends after byte %d, expected %s", s.pos, want)
	}
	return fmt.Errorf("the body is not valid JSON: %q at byte %d, expected %s", s.char(), s.pos+1, want)
}

// char returns the character at the position, or the byte itself if no character begins there.
func (s *scanner) char() string {
	if r, size := utf8.DecodeRune(s.data[s.pos:]); r != utf8.RuneError {
		return string(s.data[s.pos : s.pos+size])
	}
	return string(s.data[s.pos : s.pos+1])
}

// peek returns the next byte. At the end it returns 0, which begins no token.
func (s *scanner) peek() byte {
	if s.pos < len(s.data) {
		return s.data[s.pos]
	}
	return 0
}

func (s *scanner) space() {
	for s.pos < len(s.data) {
		switch s.data[s.pos] {
		case ' ', '\t':
		case '\n', '\r':
			s.lines = true
		default:
			return
		}
		s.pos++
	}
}

func (s *scanner) value(depth int) error {
	switch c := s.peek(); {
	case c == '"':
		return s.str()
	case c == '{':
		return s.object(depth + 1)
	case c == '[':
		return s.array(depth + 1)
	case c == '-' || isDigit(c):
		return s.number()
	case c == 't':
		return s.word("true")
	case c == 'f':
		return s.word("false")
	case c == 'n':
		return s.word("null")
	}
	return s.fail("a value")
}

func (s *scanner) object(depth int) error {
	if depth > maxDepth {
		return s.fail("at most 10,000 levels")
	}
	s.pos++
	s.space()
	if s.peek() == '}' {
		s.pos++
		return nil
	}
	for {
		if _, _, err := s.member(depth); err != nil {
			return err
		}
		if more, err := s.comma('}'); !more {
			return err
		}
	}
}

// member skips a field of an object, and returns its name in quotes and its value.
func (s *scanner) member(depth int) (name, value []byte, err error) {
	start := s.pos
	if s.peek() != '"' {
		return nil, nil, s.fail("a field name")
	}
	if err := s.str(); err != nil {
		return nil, nil, err
	}
	name = s.data[start:s.pos]
	s.space()
	if s.peek() != ':' {
		return nil, nil, s.fail("a colon")
	}
	s.pos++
	s.space()
	start = s.pos
	if err := s.value(depth); err != nil {
		return nil, nil, err
	}
	return name, s.data[start:s.pos], nil
}

func (s *scanner) array(depth int) error {
	if depth > maxDepth {
		return s.fail("at most 10,000 levels")
	}
	s.pos++
	s.space()
	if s.peek() == ']' {
		s.pos++
		return nil
	}
	for {
		if err := s.value(depth); err != nil {
			return err
		}
		if more, err := s.comma(']'); !more {
			return err
		}
	}
}

// comma skips the token after an element. It reports whether that is a comma; otherwise it must be the closing bracket.
func (s *scanner) comma(closing byte) (more bool, err error) {
	s.space()
	switch s.peek() {
	case ',':
		s.pos++
		s.space()
		return true, nil
	case closing:
		s.pos++
		return false, nil
	}
	return false, s.fail("a comma or " + string(closing))
}

func (s *scanner) word(word string) error {
	if !bytes.HasPrefix(s.data[s.pos:], []byte(word)) {
		return s.fail("the word " + word)
	}
	s.pos += len(word)
	return nil
}

func (s *scanner) number() error {
	if s.peek() == '-' {
		s.pos++
	}
	if s.peek() == '0' {
		s.pos++
	} else if !s.digits() {
		return s.fail("a digit")
	}
	if s.peek() == '.' {
		s.pos++
		if !s.digits() {
			return s.fail("a digit")
		}
	}
	if c := s.peek(); c == 'e' || c == 'E' {
		s.pos++
		if c := s.peek(); c == '+' || c == '-' {
			s.pos++
		}
		if !s.digits() {
			return s.fail("a digit")
		}
	}
	return nil
}

// digits skips decimal digits and reports whether there were any.
func (s *scanner) digits() bool {
	start := s.pos
	for isDigit(s.peek()) {
		s.pos++
	}
	return s.pos > start
}

func isDigit(c byte) bool { return '0' <= c && c <= '9' }

// str skips a string; pos is at its opening quote.
func (s *scanner) str() error {
	s.pos++
	for {
		n, beyondASCII := plain(s.data[s.pos:])
		s.pos += n
		s.beyondASCII = s.beyondASCII || beyondASCII
		switch c := s.peek(); {
		case c == '"':
			s.pos++
			return nil
		case c == '\\':
			if err := s.escape(); err != nil {
				return err
			}
		case s.pos >= len(s.data):
			return s.fail("a closing quote")
		default:
			return s.fail("no control character")
		}
	}
}

const ones, highs = 0x0101010101010101, 0x8080808080808080

// plain returns the number of bytes before the first quote, backslash or control character, and reports whether any of
// them is above 127. It reads eight bytes at a time.
func plain(text []byte) (n int, beyondASCII bool) {
	var all uint64
	rest := text
	for len(rest) >= 8 {
		w := binary.LittleEndian.Uint64(rest)
		if hit := special(w); hit != 0 {
			n = bits.TrailingZeros64(hit) / 8
			all |= w & (1<<(8*n) - 1)
			return len(text) - len(rest) + n, all&highs != 0
		}
		all |= w
		rest = rest[8:]
		if w&highs == 0 {
			rest = rest[plainASCII(rest):]
		}
	}
	for n = len(text) - len(rest); n < len(text); n++ {
		c := text[n]
		if c < ' ' || c == '"' || c == '\\' {
			break
		}
		all |= uint64(c)
	}
	return n, all&highs != 0
}

// special sets the highest bit of each byte that is a quote, a backslash or a control character. Only the first bit set
// is reliable.
func special(w uint64) uint64 {
	quote := w ^ ones*'"'
	slash := w ^ ones*'\\'
	return ((w-ones*' ')&^w | (quote-ones)&^quote | (slash-ones)&^slash) & highs
}

// plainASCII returns how many bytes of text are plain and below 128, in steps of 16.
func plainASCII(text []byte) int {
	rest := text
	for len(rest) >= 16 {
		a, b := binary.LittleEndian.Uint64(rest), binary.LittleEndian.Uint64(rest[8:16])
		x := (a - ones*' ') | ((a ^ ones*'"') - ones) | ((a ^ ones*'\\') - ones) | a
		y := (b - ones*' ') | ((b ^ ones*'"') - ones) | ((b ^ ones*'\\') - ones) | b
		if (x|y)&highs != 0 {
			break
		}
		rest = rest[16:]
	}
	return len(text) - len(rest)
}

// escape skips an escape sequence; pos is at its backslash.
func (s *scanner) escape() error {
	s.pos++
	switch s.peek() {
	case '"', '\\', '/', 'b', 'f', 'n', 'r', 't':
		s.pos++
		return nil
	case 'u':
		s.pos++
		for range 4 {
			if !isHex(s.peek()) {
				return s.fail("four hexadecimal digits")
			}
			s.pos++
		}
		return nil
	}
	return s.fail("an escape sequence")
}

func isHex(c byte) bool {
	return isDigit(c) || 'a' <= c && c <= 'f' || 'A' <= c && c <= 'F'
}
