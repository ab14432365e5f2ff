package jobquery

import (
	"fmt"
	"strings"
	"unicode/utf8"
)

// MaxConditions is the length of the longest q, in characters.
const MaxConditions = 4096

const (
	space = " \t\r\n"
	// delimiters end a name, and a value that is not in double quotes.
	delimiters = space + `"(),:`
)

// ParseConditions reads a q. Its error is an [*Error] with the place.
func ParseConditions(q string) (Conditions, error) {
	if err := checkText(q); err != nil {
		return nil, err
	}
	p := parser{text: q}
	var all Conditions
	for p.skipSpace(); !p.done(); p.skipSpace() {
		c, err := p.condition()
		if err != nil {
			return nil, err
		}
		if !p.done() && !p.at(space) {
			return nil, p.fail(p.pos,
				`a space must follow a condition; write a value with spaces or any of "(),: in double quotes`)
		}
		all = append(all, c)
	}
	return all, nil
}

// checkText refuses a q that is too long, or is not text.
func checkText(q string) error {
	n := 0
	for i, r := range q {
		if n++; n > MaxConditions {
			return misplaced("q", q, i, fmt.Sprintf("q has at most %d characters", MaxConditions))
		}
		if r != utf8.RuneError {
			continue
		}
		if _, width := utf8.DecodeRuneInString(q[i:]); width == 1 {
			return misplaced("q", q, i, "invalid UTF-8")
		}
	}
	return nil
}

// parser reads a q from left to right.
type parser struct {
	text         string
	pos          int
	instructions int // of the regular expressions so far
}

func (p *parser) done() bool { return p.pos == len(p.text) }

// at reports whether the next byte is one of set.
func (p *parser) at(set string) bool {
	return !p.done() && strings.IndexByte(set, p.text[p.pos]) >= 0
}

func (p *parser) skipSpace() {
	for p.at(space) {
		p.pos++
	}
}

// until skips the text up to a byte of set, and returns it.
func (p *parser) until(set string) string {
	start := p.pos
	for !p.done() && !p.at(set) {
		p.pos++
	}
	return p.text[start:p.pos]
}

// take skips the token if it comes next, and reports whether it did.
func (p *parser) take(token string) bool {
	if !strings.HasPrefix(p.text[p.pos:], token) {
		return false
	}
	p.pos += len(token)
	return true
}

func (p *parser) fail(pos int, reason string) error { return misplaced("q", p.text, pos, reason) }

// misplaced is an error at a place of a parameter. It turns the offset, in bytes, into the number of a character from
// 1.
func misplaced(parameter, text string, offset int, reason string) error {
	return &Error{
		"Invalid " + parameter,
		fmt.Sprintf("At character %d: %s", utf8.RuneCountInString(text[:offset])+1, reason),
	}
}

// condition reads field:test.
func (p *parser) condition() (c condition, err error) {
	start := p.pos
	c.field = fieldNamed(p.until(delimiters), (*field).isValue)
	switch {
	case c.field == nil:
		return c, p.fail(start, "the name of a field is needed: "+fieldNames((*field).isValue))
	case !p.take(":"):
		return c, p.fail(p.pos, "a colon must follow the name of a field")
	}
	c.test, err = p.test(c.field)
	return c, err
}

func (p *parser) test(field *field) (test, error) {
	switch {
	case p.take("~"):
		return p.pattern(field, false)
	case p.at("<>"):
		b, err := p.bound(field)
		return bounds{b}, err
	case !p.take("("):
		return p.single(field)
	}
	p.skipSpace()
	switch {
	case p.at("<>"):
		return p.between(field)
	case p.take("~"):
		return p.pattern(field, true)
	}
	return p.anyOf(field)
}

// single reads a value, or one of the words.
func (p *parser) single(field *field) (test, error) {
	start := p.pos
	switch p.until(delimiters) {
	case "null", "missing":
		return presence(false), nil
	case "exists":
		return presence(true), nil
	}
	p.pos = start
	v, err := p.value(field)
	return anyOf{v: {}}, err
}

// anyOf reads the rest of (a,b).
func (p *parser) anyOf(field *field) (test, error) {
	values := anyOf{}
	for {
		p.skipSpace()
		v, err := p.value(field)
		if err != nil {
			return nil, err
		}
		values[v] = struct{}{}
		p.skipSpace()
		switch {
		case p.take(")"):
			return values, nil
		case !p.take(","):
			return nil, p.fail(p.pos, "a comma or a closing parenthesis must follow a value in parentheses")
		}
	}
}

// between reads the rest of (>=a AND <=b).
func (p *parser) between(field *field) (test, error) {
	first, err := p.bound(field)
	if err != nil {
		return nil, err
	}
	p.skipSpace()
	if !p.take("AND") || !p.at(space) {
		return nil, p.fail(p.pos, "the word AND and a second comparison must follow")
	}
	p.skipSpace()
	second, err := p.bound(field)
	if err != nil {
		return nil, err
	}
	p.skipSpace()
	if !p.take(")") {
		return nil, p.fail(p.pos, "a closing parenthesis must follow the second comparison")
	}
	return bounds{first, second}, nil
}

// bound reads >v, >=v, <v or <=v.
func (p *parser) bound(field *field) (b bound, err error) {
	start := p.pos
	for _, operator := range []string{">=", ">", "<=", "<"} {
		if p.take(operator) {
			b.operator = operator
			break
		}
	}
	switch {
	case b.operator == "":
		return b, p.fail(start, "a comparison begins with >, >=, < or <=")
	case field.kind == kindText:
		return b, p.fail(start, fmt.Sprintf("field '%s' has no order; it takes %s", field.name, field.takes()))
	}
	limit, err := p.value(field)
	b.limit = limit.number
	return b, err
}

// pattern reads the rest of ~regex: in double quotes, or up to the space that ends it. In parentheses, as in (~regex),
// the closing one ends it.
func (p *parser) pattern(field *field, inParentheses bool) (test, error) {
	start := p.pos
	if field.kind != kindText {
		return nil, p.fail(
			start-len("~"),
			fmt.Sprintf("field '%s' does not take a regular expression; it takes %s", field.name, field.takes()),
		)
	}
	expression, err := p.expression(inParentheses)
	if err != nil {
		return nil, err
	}
	if inParentheses && !p.take(")") {
		return nil, p.fail(p.pos, "a closing parenthesis must follow a regular expression in parentheses")
	}
	re, instructions, err := compilePattern(expression, MaxInstructions-p.instructions)
	if err != nil {
		return nil, p.fail(start, err.Error())
	}
	p.instructions += instructions
	return pattern{re}, nil
}

// expression skips a regular expression and returns it. The expression ends at the first delimiter that is outside of
// its own parentheses and brackets and not after a backslash. If there is no such delimiter, it ends at the first one,
// so that the error has that place.
func (p *parser) expression(inParentheses bool) (string, error) {
	if p.at(`"`) {
		return p.quoted()
	}
	delimiter := space
	if inParentheses {
		delimiter = ")"
	}
	start, first := p.pos, -1
	for {
		p.until(delimiter)
		text := p.text[start:p.pos]
		if first < 0 {
			first = p.pos
		}
		if !isUnfinished(text) {
			return text, nil
		}
		if p.done() || len(text) > MaxPattern*utf8.UTFMax {
			p.pos = first
			return p.text[start:first], nil
		}
		p.pos++
	}
}

// value reads a value that the field may have.
func (p *parser) value(field *field) (v value, err error) {
	start := p.pos
	inQuotes := p.at(`"`)
	var text string
	if inQuotes {
		text, err = p.quoted()
	} else {
		text = p.until(delimiters)
	}
	switch {
	case err != nil:
		return v, err
	case text == "" && !inQuotes:
		return v, p.fail(start, fmt.Sprintf("a value is missing; field '%s' takes %s", field.name, field.takes()))
	}
	v, ok := field.parse(text)
	switch {
	case !ok:
		return v, p.fail(start, fmt.Sprintf("field '%s' takes %s", field.name, field.takes()))
	case !inQuotes && isReserved(text):
		return v, p.fail(
			start,
			"null, missing, exists, ~, < and > are not allowed here; write a text that begins with them in double quotes",
		)
	}
	return v, nil
}

// isReserved reports whether a text has a special meaning after a colon. Such a text is a value only in double quotes.
func isReserved(text string) bool {
	return text == "null" || text == "missing" || text == "exists" || strings.IndexByte("~<>", text[0]) >= 0
}

// quoted reads a text in double quotes, where \" is a quote, \\ is a backslash, and any other backslash is itself.
func (p *parser) quoted() (string, error) {
	start := p.pos
	var text strings.Builder
	p.pos++
	for !p.done() {
		switch {
		case p.take(`"`):
			return text.String(), nil
		case p.take(`\"`):
			text.WriteByte('"')
		case p.take(`\\`):
			text.WriteByte('\\')
		default:
			text.WriteByte(p.text[p.pos])
			p.pos++
		}
	}
	return "", p.fail(start, "the double quotes are not closed")
}
