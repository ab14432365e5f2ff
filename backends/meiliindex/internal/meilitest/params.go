package meilitest

import (
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
)

func sprintf(format string, args ...any) string { return fmt.Sprintf(format, args...) }

// checkParams returns an error if the request has query parameters other than names.
func (c *call) checkParams(names ...string) error {
	for name := range c.r.URL.Query() {
		if slices.Contains(names, name) {
			continue
		}
		hint := ""
		for _, n := range names {
			if strings.EqualFold(n, name) {
				hint = " did you mean `" + n + "`?"
			}
		}
		return badRequest("bad_request", "Unknown parameter `%s`:%s %s", name, hint, expectedOneOf(names))
	}
	return nil
}

func (c *call) param(name string) (string, bool) {
	values, ok := c.r.URL.Query()[name]
	if !ok {
		return "", false
	}
	return values[0], true
}

// number returns a parameter that must be a positive integer, or fallback if it is not given.
func (c *call) number(name, code string, fallback int) (int, error) {
	text, ok := c.param(name)
	if !ok {
		return fallback, nil
	}
	n, err := strconv.ParseUint(text, 10, 32)
	if err != nil {
		return 0, badRequest(code, "Invalid value in parameter `%s`: could not parse `%s` as a positive integer", name, text)
	}
	return int(n), nil
}

// list returns the parts of a comma-separated parameter. It reports false if the parameter is not given, or is a star.
func (c *call) list(name string) (values []string, ok bool) {
	text, ok := c.param(name)
	if !ok || text == "*" {
		return nil, false
	}
	if text == "" {
		return nil, true
	}
	return strings.Split(text, ","), true
}

// page returns the part of a list that offset and limit select.
func page(items []*object, offset, limit int) []*object {
	return slices.Clone(items[min(offset, len(items)):min(offset+limit, len(items))])
}

// list returns a JSON list of objects.
func list(items []*object) []any {
	out := make([]any, len(items))
	for i, item := range items {
		out[i] = item
	}
	return out
}

// member returns a member of a body that must be a string, or nil if it is missing or null.
func member(o *object, name, code string) (*string, error) {
	v, ok := o.get(name)
	if !ok || v == nil {
		return nil, nil //nolint:nilnil // as documented
	}
	text, ok := v.(string)
	if !ok {
		return nil, wrongType("."+name, code, "a string", v)
	}
	return &text, nil
}

// count returns a member of a body that must be a positive integer, or fallback if it is missing or null.
func count(o *object, name, code string, fallback int) (int, error) {
	v, ok := o.get(name)
	if !ok || v == nil {
		return fallback, nil
	}
	if n, ok := v.(number); ok {
		if i, err := strconv.Atoi(string(n)); err == nil && i >= 0 {
			return i, nil
		}
	}
	return 0, wrongType("."+name, code, "a positive integer", v)
}

// texts returns a member of a body that must be a list of strings. It reports false if the member is missing or null.
func texts(o *object, name, code string) (list []string, ok bool, err error) {
	v, ok := o.get(name)
	if !ok || v == nil {
		return nil, false, nil
	}
	elements, ok := v.([]any)
	if !ok {
		return nil, false, wrongType("."+name, code, "an array", v)
	}
	for i, e := range elements {
		text, ok := e.(string)
		if !ok {
			return nil, false, wrongType(sprintf(".%s[%d]", name, i), code, "a string", e)
		}
		list = append(list, text)
	}
	return list, true, nil
}

func wrongType(path, code, expected string, v any) error {
	at := ""
	if path != "" {
		at = " at `" + path + "`"
	}
	return badRequest(code, "Invalid value type%s: expected %s, but found %s", at, expected, describe(v))
}

func ok(body any) (answer, error)       { return answer{http.StatusOK, body}, nil }
func accepted(body any) (answer, error) { return answer{http.StatusAccepted, body}, nil }
