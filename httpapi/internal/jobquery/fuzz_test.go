package jobquery

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"productindex/httpapi/internal/jobquery/jobquerytest"
	"productindex/reindex"
)

// requirePlace checks that the error of a parser names a place within the text.
func requirePlace(t *testing.T, parameter, text string, err error) {
	t.Helper()
	p, ok := errors.AsType[*Error](err)
	if !ok || p.Message != "Invalid "+parameter {
		t.Fatalf("%q: got %#v, want an Error about %s", text, err, parameter)
	}
	place := regexp.MustCompile(`^At character ([0-9]+): .`).FindStringSubmatch(p.Detail)
	if place == nil || !utf8.ValidString(p.Detail) {
		t.Fatalf("%q: got the detail %q, want a place within the text", text, p.Detail)
	}
	if n, err := strconv.Atoi(place[1]); err != nil || n < 1 || n > utf8.RuneCountInString(text)+1 {
		t.Fatalf("%q: got the detail %q, want a place within the text", text, p.Detail)
	}
}

// shown returns the value of a field in a response, or nil if the field is missing. Times are milliseconds.
func shown(t *testing.T, job reindex.Job, field *field) any {
	t.Helper()
	data, err := json.Marshal(Show(Job{Record: job}))
	if err != nil {
		t.Fatal(err)
	}
	dec := json.NewDecoder(strings.NewReader(string(data)))
	dec.UseNumber()
	var v any
	if err := dec.Decode(&v); err != nil {
		t.Fatal(err)
	}
	for name := range strings.SplitSeq(field.name, ".") {
		object, _ := v.(map[string]any)
		v = object[name]
	}
	switch v := v.(type) {
	case json.Number:
		n, err := v.Int64()
		if err != nil {
			t.Fatal(err)
		}
		return n
	case string:
		if field.kind != kindTime {
			return v
		}
		at, err := time.Parse(time.RFC3339, v)
		if err != nil {
			t.Fatal(err)
		}
		return at.UnixMilli()
	case bool:
		return strconv.FormatBool(v)
	default:
		return nil
	}
}

// holdsShown evaluates a condition on the values of a response, independently of the code under test.
func holdsShown(t *testing.T, c condition, job reindex.Job) bool {
	t.Helper()
	got := shown(t, job, c.field)
	switch test := c.test.(type) {
	case presence:
		return (got != nil) == bool(test)
	case anyOf:
		for v := range test {
			if c.field.kind == kindText && got == any(v.text) || c.field.kind != kindText && got == any(v.number) {
				return true
			}
		}
		return false
	case bounds:
		n, ok := got.(int64)
		for _, b := range test {
			ok = ok && map[string]bool{"<": n < b.limit, "<=": n <= b.limit, ">": n > b.limit, ">=": n >= b.limit}[b.operator]
		}
		return ok
	case pattern:
		text, ok := got.(string)
		return ok && test.re.MatchString(text)
	default:
		t.Fatalf("unknown test of type %T", test)
		return false
	}
}

// printCondition returns a condition in a canonical form.
func printCondition(c condition) string {
	quote := func(text string) string { return `"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace(text) + `"` }
	number := func(n int64) string {
		if c.field.kind == kindTime {
			return quote(time.UnixMilli(n).UTC().Format("2006-01-02T15:04:05.000Z07:00"))
		}
		return strconv.FormatInt(n, 10)
	}
	var out string
	switch test := c.test.(type) {
	case presence:
		out = map[bool]string{true: "exists", false: "missing"}[bool(test)]
	case anyOf:
		var values []string
		for v := range maps.Keys(test) {
			if c.field.kind == kindText {
				values = append(values, quote(v.text))
			} else {
				values = append(values, number(v.number))
			}
		}
		slices.Sort(values)
		out = "(" + strings.Join(values, ",") + ")"
	case bounds:
		out = test[0].operator + number(test[0].limit)
		if len(test) > 1 {
			out = "(" + out + " AND " + test[1].operator + number(test[1].limit) + ")"
		}
	case pattern:
		out = "~" + quote(test.re.String())
	default:
		out = fmt.Sprintf("%T", test)
	}
	return c.field.name + ":" + out
}

func printConditions(conditions Conditions) string {
	var parts []string
	for _, c := range conditions {
		parts = append(parts, printCondition(c))
	}
	return strings.Join(parts, " ")
}

// FuzzJobQ checks that every q is refused with a place, or selects the right jobs by the values of responses. A q has a
// limited number of instructions, and its canonical form selects the same jobs.
func FuzzJobQ(f *testing.F) {
	for _, tc := range conditionTests {
		f.Add(tc.q, "timeout", int64(7), int64(1_767_261_600_123))
	}
	for _, tc := range refusedConditions {
		f.Add(tc.q, jobquerytest.ShopMessage, int64(-1), int64(0))
	}
	f.Fuzz(func(t *testing.T, q, text string, count, millis int64) {
		conditions, err := ParseConditions(q)
		if err != nil {
			requirePlace(t, "q", q, err)
			return
		}
		instructions := 0
		for _, c := range conditions {
			if p, ok := c.test.(pattern); ok {
				instructions += compiledSize(t, p.re.String())
			}
		}
		if instructions > MaxInstructions {
			t.Fatalf("%q: got %d instructions, want at most %d", q, instructions, MaxInstructions)
		}
		printed := printConditions(conditions)
		again, err := ParseConditions(printed)
		if utf8.RuneCountInString(printed) > MaxConditions || hasFarTime(conditions) {
			again = conditions // the canonical form is too long, or has no valid time
		} else if err != nil || printConditions(again) != printed {
			t.Fatalf("%q: the canonical form %q was parsed as %q, error %v, want the same form",
				q, printed, printConditions(again), err)
		}
		at := time.UnixMilli(millis % 253_402_300_800_000) // the years that RFC 3339 has
		jobs := append(jobquerytest.Varied(), reindex.Job{
			ID:         text,
			EntityType: text,
			Status:     reindex.StatusFailure,
			Expected:   count,
			Processed:  count,
			Report: reindex.Report{
				Indexed:   count,
				Rejected:  count / 2,
				Durations: reindex.Durations{Load: time.Duration(count)},
			},
			Message:  text,
			Created:  at,
			Modified: at,
		})
		for _, job := range jobs {
			if !utf8.ValidString(job.ID) || at.UTC().Year() < 0 {
				continue // a response shows other values
			}
			for i, c := range conditions {
				want, got := holdsShown(t, c, job), c.holds(Job{Record: job})
				if got != want || again[i].holds(Job{Record: job}) != want {
					t.Fatalf("%q: %s: got %v, and %v in the canonical form, want %v for %+v", q, printCondition(c), got,
						again[i].holds(Job{Record: job}), want, job)
				}
			}
		}
	})
}

// hasFarTime reports whether a condition has a time whose year in UTC is outside of 0 to 9999, the years of RFC 3339.
func hasFarTime(conditions Conditions) bool {
	far := func(n int64) bool { year := time.UnixMilli(n).UTC().Year(); return year < 0 || year > 9999 }
	return slices.ContainsFunc(conditions, func(c condition) bool {
		if c.field.kind != kindTime {
			return false
		}
		values, _ := c.test.(anyOf)
		for v := range values {
			if far(v.number) {
				return true
			}
		}
		limits, _ := c.test.(bounds)
		return slices.ContainsFunc(limits, func(b bound) bool { return far(b.limit) })
	})
}

// compareShown compares two jobs by the values of a field in responses.
func compareShown(t *testing.T, field *field, a, b reindex.Job) int {
	t.Helper()
	v, w := shown(t, a, field), shown(t, b, field)
	switch {
	case v == w:
		return 0
	case v == nil:
		return -1
	case w == nil:
		return 1
	}
	if n, ok := v.(int64); ok {
		return map[bool]int{true: -1, false: 1}[n < w.(int64)]
	}
	return strings.Compare(v.(string), w.(string))
}

// FuzzJobSort checks that every sort is refused with a place, or orders jobs by the values of responses. Its full form
// orders them in the same way.
func FuzzJobSort(f *testing.F) {
	for _, list := range []string{
		"", "id", "id:asc", "id:desc,status", " status:asc , processedCount:desc ", "message", "expectedCount:desc",
		"metadata.createdAt,metadata.modifiedAt:desc",
		"name", "id,", "id,id", "id:up", "Köln", "\xff", "metadata", "entityType:", "id,\xc3,status",
	} {
		f.Add(list)
	}
	jobs := jobquerytest.Varied()
	f.Fuzz(func(t *testing.T, list string) {
		keys, err := ParseSort(list)
		if err != nil {
			requirePlace(t, "sort", list, err)
			return
		}
		var parts []string
		seen := map[string]bool{}
		for _, key := range keys {
			if seen[key.field.name] {
				t.Fatalf("%q: the field %s is a key twice, want once", list, key.field.name)
			}
			seen[key.field.name] = true
			parts = append(parts, key.field.name+map[bool]string{true: ":desc", false: ":asc"}[key.descending])
		}
		if again, err := ParseSort(strings.Join(parts, ",")); err != nil || !slices.Equal(again, keys) {
			t.Fatalf("%q: the full form %q has other keys, error %v, want the same keys", list, parts, err)
		}
		for _, a := range jobs {
			for _, b := range jobs {
				want := 0
				for _, key := range slices.Backward(keys) {
					order := compareShown(t, key.field, a, b)
					if key.descending {
						order = -order
					}
					if order != 0 {
						want = order
					}
				}
				if got := keys.Compare(Job{Record: a}, Job{Record: b}); got != want {
					t.Fatalf("%q: comparing %s with %s: got %d, want %d", list, a.ID, b.ID, got, want)
				}
			}
		}
	})
}
