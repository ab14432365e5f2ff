package jobquery

import (
	"cmp"
	"slices"
	"strconv"
	"strings"
	"time"

	"productindex/reindex"
)

// kind is what the values of a field are.
type kind int

const (
	kindText kind = iota
	kindNumber
	kindTime
)

// value is what a field has in one job: a text, a number, or a time as the milliseconds since 1970 that responses show. The zero value
// stands for a field that the job does not have.
type value struct {
	known  bool
	text   string
	number int64
}

// compare orders two values of one field. A missing one comes before all others.
func (v value) compare(w value) int {
	switch {
	case v.known && !w.known:
		return 1
	case !v.known && w.known:
		return -1
	case v.number != w.number:
		return cmp.Compare(v.number, w.number)
	default:
		return strings.Compare(v.text, w.text)
	}
}

// textOf is the value of a text. Where it is empty it is not shown, and so missing.
func textOf(s string) value { return value{known: s != "", text: s} }

func numberOf(n int64) value { return value{known: true, number: n} }

func timeOf(t time.Time) value { return numberOf(t.UnixMilli()) }

// field is a field of a job.
type field struct {
	name  string // as the parameters fields, q and sort have it
	copy  func(to, from *View)
	kind  kind
	among []string         // all values there are; nil: any of its kind
	value func(*Job) value // known exactly where the field is shown; nil: an object, which q and sort do not know
}

// allFields are all fields, in the order in which they are shown.
var allFields = []*field{
	{
		name:  "id",
		copy:  func(to, from *View) { to.ID = from.ID },
		value: func(job *Job) value { return textOf(job.Record.ID) },
	},
	{
		name:  "entityType",
		copy:  func(to, from *View) { to.EntityType = from.EntityType },
		value: func(job *Job) value { return textOf(job.Record.EntityType) },
	},
	{
		name: "status",
		copy: func(to, from *View) { to.Status = from.Status },
		among: []string{
			string(reindex.StatusPending), string(reindex.StatusInProgress), string(reindex.StatusPublished),
			string(reindex.StatusSuccess), string(reindex.StatusFailure),
		},
		value: func(job *Job) value { return textOf(string(job.Record.Status)) },
	},
	{
		name: "expectedCount",
		copy: func(to, from *View) { to.ExpectedCount = from.ExpectedCount },
		kind: kindNumber,
		value: func(job *Job) value {
			if job.Record.Expected < 0 {
				return value{}
			}
			return numberOf(job.Record.Expected)
		},
	},
	{
		name:  "estimated",
		copy:  func(to, from *View) { to.Estimated = from.Estimated },
		among: []string{"true"},
		value: func(job *Job) value {
			if job.Record.Expected < 0 || !job.Record.Estimated {
				return value{}
			}
			return textOf("true")
		},
	},
	{
		name:  "processedCount",
		copy:  func(to, from *View) { to.ProcessedCount = from.ProcessedCount },
		kind:  kindNumber,
		value: func(job *Job) value { return numberOf(job.Record.Processed) },
	},
	{
		name: "message",
		copy: func(to, from *View) { to.Message = from.Message },
		value: func(job *Job) value {
			if job.Record.Status != reindex.StatusFailure {
				return value{}
			}
			return textOf(job.Record.Message)
		},
	},
	{
		name: "metadata",
		copy: func(to, from *View) { to.Metadata = from.Metadata },
	},
	{
		name:  "metadata.createdAt",
		copy:  func(to, from *View) { to.Metadata.CreatedAt = from.Metadata.CreatedAt },
		kind:  kindTime,
		value: func(job *Job) value { return timeOf(job.Record.Created) },
	},
	{
		name:  "metadata.modifiedAt",
		copy:  func(to, from *View) { to.Metadata.ModifiedAt = from.Metadata.ModifiedAt },
		kind:  kindTime,
		value: func(job *Job) value { return timeOf(job.Record.Modified) },
	},
}

// isAny accepts every field.
func isAny(*field) bool { return true }

// isValue reports whether the field has values to compare.
func (f *field) isValue() bool { return f.value != nil }

// takes tells which values the field has.
func (f *field) takes() string {
	switch {
	case f.among != nil:
		return "one of " + strings.Join(f.among, ", ")
	case f.kind == kindNumber:
		return "a whole number of 64 bits, such as 100"
	case f.kind == kindTime:
		return `a date and time in double quotes, such as "2026-01-02T15:04:05.000Z"; the + of an offset is %2B in a URL`
	default:
		return "a text"
	}
}

// parse returns the value that a text stands for; false where the field has none such.
func (f *field) parse(text string) (value, bool) {
	switch f.kind {
	case kindNumber:
		n, err := strconv.ParseInt(text, 10, 64)
		return numberOf(n), err == nil
	case kindTime:
		t, err := time.Parse(time.RFC3339, text)
		return timeOf(t), err == nil
	case kindText:
	}
	return value{known: true, text: text}, f.among == nil || slices.Contains(f.among, text)
}

// fieldNamed returns the field of that name among those that accept accepts, or nil.
func fieldNamed(name string, accept func(*field) bool) *field {
	i := slices.IndexFunc(allFields, func(f *field) bool { return f.name == name && accept(f) })
	if i < 0 {
		return nil
	}
	return allFields[i]
}

// FieldNames returns the names of all fields, in the order in which they are shown.
func FieldNames() []string { return namesOf(isAny) }

// namesOf returns the names of the fields that accept accepts.
func namesOf(accept func(*field) bool) []string {
	var names []string
	for _, f := range allFields {
		if accept(f) {
			names = append(names, f.name)
		}
	}
	return names
}

// fieldNames lists the names of the fields that accept accepts, for a caller.
func fieldNames(accept func(*field) bool) string { return strings.Join(namesOf(accept), ", ") }
