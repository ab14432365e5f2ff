package meilitest

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"
)

// A JSON value is nil, a bool, a number, a string, a []any or an *object.
type (
	number string

	// object is a JSON object. It keeps its keys in the order in which they were added.
	object struct {
		keys   []string
		values map[string]any
	}
)

func newObject(pairs ...any) *object {
	o := &object{values: make(map[string]any, len(pairs)/2)}
	for pair := range slices.Chunk(pairs, 2) {
		key, _ := pair[0].(string)
		o.set(key, pair[len(pair)-1])
	}
	return o
}

func (o *object) set(key string, value any) {
	if _, ok := o.values[key]; !ok {
		o.keys = append(o.keys, key)
	}
	o.values[key] = value
}

func (o *object) get(key string) (any, bool) {
	v, ok := o.values[key]
	return v, ok
}

// MarshalJSON returns the object with its members in their order.
func (o *object) MarshalJSON() ([]byte, error) {
	return encode(o), nil
}

// MarshalJSON returns the number in its original spelling.
func (n number) MarshalJSON() ([]byte, error) { return []byte(n), nil }

func encode(v any) []byte { return appendJSON(nil, v) }

func appendJSON(b []byte, v any) []byte {
	switch v := v.(type) {
	case *object:
		b = append(b, '{')
		for i, key := range v.keys {
			if i > 0 {
				b = append(b, ',')
			}
			b = appendText(b, key)
			b = append(b, ':')
			b = appendJSON(b, v.values[key])
		}
		return append(b, '}')
	case []any:
		b = append(b, '[')
		for i, e := range v {
			if i > 0 {
				b = append(b, ',')
			}
			b = appendJSON(b, e)
		}
		return append(b, ']')
	case string:
		return appendText(b, v)
	case number:
		return append(b, v...)
	default:
		text, _ := json.Marshal(v) //nolint:errchkjson // numbers, bools and the emulator's own structs
		return append(b, text...)
	}
}

func appendText(b []byte, s string) []byte {
	var buf bytes.Buffer
	e := json.NewEncoder(&buf)
	e.SetEscapeHTML(false)
	_ = e.Encode(s) //nolint:errchkjson // a string, to memory
	return append(b, bytes.TrimSuffix(buf.Bytes(), []byte("\n"))...)
}

const maxDepth = 128

// parser parses text that a scanner has accepted. Its errors are those that the server reports in the task.
type parser struct {
	scanner

	depth int
}

// parseValue parses one value. Its errors are those that the server reports in the task.
func parseValue(text []byte) (any, error) {
	p := &parser{scanner: scanner{data: text}}
	return p.parse()
}

func (p *parser) parse() (any, error) {
	c := p.next()
	switch c {
	case '{', '[':
		if p.depth++; p.depth >= maxDepth {
			return nil, p.fail(p.pos+1, "recursion limit exceeded")
		}
		defer func() { p.depth-- }()
		if c == '[' {
			return p.list()
		}
		return p.object()
	case '"':
		return p.string()
	case 't', 'f', 'n':
		text, err := p.value()
		if err != nil || c == 'n' {
			return nil, err
		}
		return string(text) == "true", nil
	default:
		text, err := p.value()
		if err != nil {
			return nil, err
		}
		n, ok := parseNumber(string(text))
		if !ok {
			return nil, p.fail(p.pos, "number out of range")
		}
		return n, nil
	}
}

func (p *parser) list() (any, error) {
	list := []any{}
	p.pos++
	for p.next() != ']' {
		if p.next() == ',' {
			p.pos++
		}
		v, err := p.parse()
		if err != nil {
			return nil, err
		}
		list = append(list, v)
	}
	p.pos++
	return list, nil
}

func (p *parser) object() (any, error) {
	o := newObject()
	p.pos++
	for p.next() != '}' {
		if p.next() == ',' {
			p.pos++
			p.next()
		}
		key, err := p.string()
		if err != nil {
			return nil, err
		}
		p.next()
		p.pos++ // the colon
		v, err := p.parse()
		if err != nil {
			return nil, err
		}
		o.set(key, v)
	}
	p.pos++
	return o, nil
}

func (p *parser) string() (string, error) {
	start := p.pos
	text, err := p.text()
	if err != nil {
		return "", err
	}
	if at := loneSurrogate(text); at >= 0 {
		return "", p.fail(start+at, "unexpected end of hex escape")
	}
	var s string
	if err := json.Unmarshal(text, &s); err != nil {
		return "", p.fail(p.pos, "invalid escape")
	}
	return s, nil
}

// loneSurrogate returns the position after the byte that shows that an escaped surrogate has no partner, or -1.
func loneSurrogate(text []byte) int {
	for i := 0; i+5 < len(text); i++ {
		if text[i] != '\\' {
			continue
		}
		if text[i+1] != 'u' {
			i++
			continue
		}
		code, err := strconv.ParseUint(string(text[i+2:i+6]), 16, 16)
		i += 5
		switch {
		case err != nil || code < 0xd800 || code > 0xdfff:
		case code >= 0xdc00:
			return i + 1
		case i+6 < len(text) && text[i+1] == '\\' && text[i+2] == 'u':
			low, err := strconv.ParseUint(string(text[i+3:i+7]), 16, 16)
			if err != nil || low < 0xdc00 || low > 0xdfff {
				return i + 7
			}
			i += 6
		default:
			return i + 2
		}
	}
	return -1
}

func formatFloat(f float64) number {
	if f == 0 && math.Signbit(f) {
		return "-0.0"
	}
	if abs := math.Abs(f); f == 0 || abs >= 1e-5 && abs < 1e16 {
		s := strconv.FormatFloat(f, 'f', -1, 64)
		if !strings.Contains(s, ".") {
			s += ".0"
		}
		return number(s)
	}
	return number(strconv.FormatFloat(f, 'e', -1, 64))
}

// describe returns the server's description of a value, as in "expected a string, but found ...".
func describe(v any) string {
	kind := ""
	switch v := v.(type) {
	case nil:
		return "null"
	case bool:
		kind = "a boolean"
	case string:
		kind = "a string"
	case []any:
		kind = "an array"
	case *object:
		kind = "an object"
	case number:
		switch {
		case strings.ContainsAny(string(v), ".eE"):
			kind = "a number"
		case strings.HasPrefix(string(v), "-"):
			kind = "a negative integer"
		default:
			kind = "a positive integer"
		}
	}
	return fmt.Sprintf("%s: `%s`", kind, encode(v))
}

// notAMap returns the message of serde for a value that should be an object.
func notAMap(text []byte) string {
	var what string
	column := utf8.RuneCount(text)
	switch text[0] {
	case '[':
		what, column = "sequence", 0
	case 'n':
		what = "null"
	case 't', 'f':
		what = fmt.Sprintf("boolean `%s`", text)
	case '"':
		what = fmt.Sprintf("string %s", text)
	default:
		what = fmt.Sprintf("integer `%s`", text)
		if bytes.ContainsAny(text, ".eE") {
			what = fmt.Sprintf("floating point `%s`", text)
		}
	}
	return fmt.Sprintf("invalid type: %s, expected a map at line 1 column %d", what, column)
}
