package meilitest

import (
	"fmt"
	"strconv"
	"unicode/utf8"
)

// scanner checks the syntax of JSON as the server does when a request arrives. It accepts numbers out of range, lone
// surrogates and deep nesting, which make the task fail later. Its messages and positions are those of serde_json.
type scanner struct {
	data []byte
	pos  int
}

// scanError is a syntax error with the text of serde_json.
type scanError struct{ text string }

func (e scanError) Error() string { return e.text }

func (s *scanner) fail(at int, text string) error {
	line, column := 1, 0
	for _, c := range s.data[:min(at, len(s.data))] {
		if c == '\n' {
			line, column = line+1, 0
		} else {
			column++
		}
	}
	return scanError{fmt.Sprintf("%s at line %d column %d", text, line, column)}
}

// next skips white space, and returns the next byte without consuming it, or 0 at the end.
func (s *scanner) next() byte {
	for s.pos < len(s.data) {
		switch c := s.data[s.pos]; c {
		case ' ', '\t', '\n', '\r':
			s.pos++
		default:
			return c
		}
	}
	return 0
}

func (s *scanner) done() bool { s.next(); return s.pos >= len(s.data) }

// value consumes one value and returns its text.
func (s *scanner) value() ([]byte, error) {
	c := s.next()
	start := s.pos
	var err error
	switch {
	case s.pos >= len(s.data):
		err = s.fail(len(s.data), "EOF while parsing a value")
	case c == '{':
		err = s.members(func([]byte, []byte) {})
	case c == '[':
		err = s.elements(func([]byte) {})
	case c == '"':
		_, err = s.text()
	case c == 't':
		err = s.word("true")
	case c == 'f':
		err = s.word("false")
	case c == 'n':
		err = s.word("null")
	case c == '-' || c >= '0' && c <= '9':
		err = s.number()
	default:
		err = s.fail(s.pos+1, "expected value")
	}
	return s.data[start:s.pos], err
}

// members consumes an object and calls visit with the text of each key, quotes included, and of each value.
func (s *scanner) members(visit func(key, value []byte)) error {
	s.pos++
	for first := true; ; first = false {
		c := s.next()
		switch {
		case s.pos >= len(s.data):
			return s.fail(len(s.data), "EOF while parsing an object")
		case c == '}':
			s.pos++
			return nil
		case !first && c != ',':
			return s.fail(s.pos+1, "expected `,` or `}`")
		case !first:
			s.pos++
			c = s.next()
			if s.pos >= len(s.data) {
				return s.fail(len(s.data), "EOF while parsing an object")
			}
			if c == '}' {
				return s.fail(s.pos+1, "trailing comma")
			}
		}
		if c != '"' {
			return s.fail(s.pos+1, "key must be a string")
		}
		key, err := s.text()
		if err != nil {
			return err
		}
		if c := s.next(); s.pos >= len(s.data) {
			return s.fail(len(s.data), "EOF while parsing an object")
		} else if c != ':' {
			return s.fail(s.pos+1, "expected `:`")
		}
		s.pos++
		value, err := s.value()
		if err != nil {
			return err
		}
		visit(key, value)
	}
}

// elements consumes a list and calls visit with the text of each element.
func (s *scanner) elements(visit func(value []byte)) error {
	s.pos++
	for first := true; ; first = false {
		c := s.next()
		switch {
		case s.pos >= len(s.data):
			return s.fail(len(s.data), "EOF while parsing a list")
		case c == ']':
			s.pos++
			return nil
		case !first && c != ',':
			return s.fail(s.pos+1, "expected `,` or `]`")
		case !first:
			s.pos++
			if c = s.next(); c == ']' {
				return s.fail(s.pos+1, "trailing comma")
			}
		}
		value, err := s.value()
		if err != nil {
			return err
		}
		visit(value)
	}
}

func (s *scanner) text() ([]byte, error) {
	start := s.pos
	for s.pos++; s.pos < len(s.data); s.pos++ {
		switch c := s.data[s.pos]; {
		case c == '"':
			s.pos++
			if !utf8.Valid(s.data[start:s.pos]) {
				return nil, s.fail(s.pos, "invalid unicode code point")
			}
			return s.data[start:s.pos], nil
		case c < ' ':
			return nil, s.fail(s.pos, `control character (\u0000-\u001F) found while parsing a string`)
		case c == '\\':
			s.pos++
			if s.pos < len(s.data) && !isEscape(s.data[s.pos:]) {
				return nil, s.fail(s.pos+1, "invalid escape")
			}
		}
	}
	return nil, s.fail(len(s.data), "EOF while parsing a string")
}

// isEscape reports whether text begins with an escape sequence, without its backslash.
func isEscape(text []byte) bool {
	switch text[0] {
	case '"', '\\', '/', 'b', 'f', 'n', 'r', 't':
		return true
	case 'u':
		for _, c := range text[1:min(5, len(text))] {
			if !isDigit(c) && (c|0x20 < 'a' || c|0x20 > 'f') {
				return false
			}
		}
		return true // even if the text ends here, since the missing end of the string is reported later
	}
	return false
}

func (s *scanner) word(want string) error {
	for i := range len(want) {
		if s.pos >= len(s.data) {
			return s.fail(len(s.data), "EOF while parsing a value")
		}
		if s.data[s.pos] != want[i] {
			return s.fail(s.pos+1, "expected ident")
		}
		s.pos++
	}
	return nil
}

func (s *scanner) number() error {
	if s.data[s.pos] == '-' {
		s.pos++
	}
	switch {
	case s.pos < len(s.data) && s.data[s.pos] == '0':
		s.pos++
		if s.pos < len(s.data) && isDigit(s.data[s.pos]) {
			return s.fail(s.pos+1, "invalid number")
		}
	case !s.digits():
		return s.fail(min(s.pos+1, len(s.data)), "invalid number")
	}
	if s.pos < len(s.data) && s.data[s.pos] == '.' {
		s.pos++
		if !s.digits() {
			return s.fail(min(s.pos+1, len(s.data)), "invalid number")
		}
	}
	if s.pos < len(s.data) && (s.data[s.pos] == 'e' || s.data[s.pos] == 'E') {
		s.pos++
		if s.pos < len(s.data) && (s.data[s.pos] == '+' || s.data[s.pos] == '-') {
			s.pos++
		}
		if !s.digits() {
			return s.fail(min(s.pos+1, len(s.data)), "invalid number")
		}
	}
	return nil
}

func (s *scanner) digits() bool {
	start := s.pos
	for s.pos < len(s.data) && isDigit(s.data[s.pos]) {
		s.pos++
	}
	return s.pos > start
}

func isDigit(c byte) bool { return c >= '0' && c <= '9' }

// parseNumber returns a number as the server stores it: a 64-bit integer unchanged, any other number as a float. It
// reports false if the number is out of range.
func parseNumber(text string) (number, bool) {
	if _, err := strconv.ParseInt(text, 10, 64); err == nil && text != "-0" {
		return number(text), true
	}
	if _, err := strconv.ParseUint(text, 10, 64); err == nil {
		return number(text), true
	}
	f, err := strconv.ParseFloat(text, 64)
	if err != nil {
		return "", false
	}
	return formatFloat(f), true
}
