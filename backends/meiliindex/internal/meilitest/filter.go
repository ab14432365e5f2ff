package meilitest

import (
	"slices"
	"strings"
)

// filter understands one condition, attribute = value or a comparison, or several joined by AND.
func (ix *index) filter(text string) (func(*object) bool, *TaskError) {
	if err := checkFilter(text); err != nil {
		return nil, err
	}
	var tests []func(*object) bool
	for part := range strings.SplitSeq(text, " AND ") {
		test, err := ix.condition(text, part)
		if err != nil {
			return nil, err
		}
		tests = append(tests, test)
	}
	return func(d *object) bool {
		return !slices.ContainsFunc(tests, func(test func(*object) bool) bool { return !test(d) })
	}, nil
}

// checkFilter refuses a filter that has no value at its end.
func checkFilter(text string) *TaskError {
	if trimmed := strings.TrimSpace(text); strings.HasSuffix(trimmed, "=") {
		return badRequest("invalid_document_filter", "Was expecting a value but instead got nothing.\n%d:%d %s", len(text)+1, len(text)+1, text)
	}
	return nil
}

var comparisons = []string{"!=", "<=", ">=", "=", "<", ">"}

func (ix *index) condition(whole, part string) (func(*object) bool, *TaskError) {
	for _, op := range comparisons {
		name, value, found := strings.Cut(part, op)
		if !found {
			continue
		}
		name, value = strings.TrimSpace(name), strings.TrimSpace(value)
		if !ix.allows("filterableAttributes", name) {
			available := "This index does not have configured filterable attributes."
			if names := ix.attributes("filterableAttributes"); len(names) > 0 {
				available = "Available filterable attribute patterns are: `" + strings.Join(names, "`, `") + "`."
			}
			return nil, badRequest("invalid_document_filter", "Attribute `%s` is not filterable. %s\n1:%d %s", name, available, len(name)+1, whole)
		}
		value = strings.Trim(value, `"'`)
		return func(d *object) bool { return holds(flat(d.values[name]), op, value) }, nil
	}
	return nil, badRequest("invalid_document_filter", "The emulator does not know the filter `%s`.", whole)
}

func holds(values []any, op, want string) bool {
	equal := func(v any) bool {
		switch v := v.(type) {
		case string:
			return strings.EqualFold(v, want)
		case number:
			return numeric(want) && compareValues(v, number(want)) == 0
		}
		return false
	}
	switch op {
	case "=":
		return slices.ContainsFunc(values, equal)
	case "!=":
		return !slices.ContainsFunc(values, equal)
	}
	return slices.ContainsFunc(values, func(v any) bool {
		n, isNumber := v.(number)
		if !isNumber || !numeric(want) {
			return false
		}
		c := compareValues(n, number(want))
		return op == "<" && c < 0 || op == "<=" && c <= 0 || op == ">" && c > 0 || op == ">=" && c >= 0
	})
}

// conditions reads a filter that is a text, or a list whose elements all hold; of an inner list one has to.
func (ix *index) conditions(v any) (func(*object) bool, *TaskError) {
	switch v := v.(type) {
	case nil:
		return func(*object) bool { return true }, nil
	case string:
		if v == "" {
			return func(*object) bool { return true }, nil
		}
		return ix.filter(v)
	case []any:
		return ix.all(v)
	}
	return nil, badRequest("invalid_document_filter", "Invalid syntax for the filter parameter: `expected String, Array, found: %s`.", encode(v))
}

func (ix *index) all(list []any) (func(*object) bool, *TaskError) {
	var tests []func(*object) bool
	for _, e := range list {
		inner, isList := e.([]any)
		if !isList {
			inner = []any{e}
		}
		var either []func(*object) bool
		for _, one := range inner {
			text, isText := one.(string)
			if !isText {
				return nil, badRequest("invalid_document_filter", "Invalid syntax for the filter parameter: `expected String, [String], found: %s`.",
					encode(one))
			}
			test, err := ix.filter(text)
			if err != nil {
				return nil, err
			}
			either = append(either, test)
		}
		tests = append(tests, func(d *object) bool {
			return slices.ContainsFunc(either, func(test func(*object) bool) bool { return test(d) })
		})
	}
	return func(d *object) bool {
		return !slices.ContainsFunc(tests, func(test func(*object) bool) bool { return !test(d) })
	}, nil
}
