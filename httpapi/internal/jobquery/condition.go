package jobquery

import (
	"regexp"
	"slices"
)

// Conditions are the conditions of a q. A job must meet all of them.
type Conditions []condition

// Hold reports whether the job meets all of them.
func (cs Conditions) Hold(job Job) bool {
	return !slices.ContainsFunc(cs, func(c condition) bool { return !c.holds(job) })
}

// condition is one part of a q: a test of a field.
type condition struct {
	field *field
	test  test
}

func (c condition) holds(job Job) bool { return c.test.holds(c.field.value(job)) }

// test is a test of a field's value. A missing value passes only a presence test.
type test interface {
	holds(v value) bool
}

// presence passes if the value exists (true) or is missing (false).
type presence bool

func (p presence) holds(v value) bool { return v.known == bool(p) }

// anyOf passes for one of some values.
type anyOf map[value]struct{}

func (a anyOf) holds(v value) bool {
	_, ok := a[v]
	return ok
}

// bounds pass for a number, or a time, within all of them.
type bounds []bound

type bound struct {
	operator string // >, >=, <, <=
	limit    int64
}

func (bs bounds) holds(v value) bool {
	for _, b := range bs {
		if !b.holds(v.number) {
			return false
		}
	}
	return v.known
}

func (b bound) holds(n int64) bool {
	switch b.operator {
	case ">":
		return n > b.limit
	case ">=":
		return n >= b.limit
	case "<":
		return n < b.limit
	default:
		return n <= b.limit
	}
}

// pattern passes for a text in which the regular expression has a match.
type pattern struct{ re *regexp.Regexp }

func (p pattern) holds(v value) bool { return v.known && p.re.MatchString(v.text) }
