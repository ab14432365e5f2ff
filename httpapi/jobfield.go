package httpapi

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

// jobField is a field of a job.
type jobField struct {
	name  string // as the parameters fields, q and sort have it
	copy  func(to, from *jobView)
	kind  kind
	among []string                // all values there are; nil: any of its kind
	value func(reindex.Job) value // known exactly where the field is shown; nil: an object, which q and sort do not know
}

// jobFields are all fields, in the order in which they are shown.
var jobFields = []*jobField{
	{
		name:  "id",
		copy:  func(to, from *jobView) { to.ID = from.ID },
		value: func(job reindex.Job) value { return textOf(job.ID) },
	},
	{
		name:  "entityType",
		copy:  func(to, from *jobView) { to.EntityType = from.EntityType },
		value: func(job reindex.Job) value { return textOf(job.EntityType) },
	},
	{
		name: "status",
		copy: func(to, from *jobView) { to.Status = from.Status },
		among: []string{
			string(reindex.StatusPending), string(reindex.StatusInProgress), string(reindex.StatusPublished),
			string(reindex.StatusSuccess), string(reindex.StatusFailure),
		},
		value: func(job reindex.Job) value { return textOf(string(job.Status)) },
	},
	{
		name: "expectedCount",
		copy: func(to, from *jobView) { to.ExpectedCount = from.ExpectedCount },
		kind: kindNumber,
		value: func(job reindex.Job) value {
			if job.Expected < 0 {
				return value{}
			}
			return numberOf(job.Expected)
		},
	},
	{
		name:  "estimated",
		copy:  func(to, from *jobView) { to.Estimated = from.Estimated },
		among: []string{"true"},
		value: func(job reindex.Job) value {
			if job.Expected < 0 || !job.Estimated {
				return value{}
			}
			return textOf("true")
		},
	},
	{
		name:  "processedCount",
		copy:  func(to, from *jobView) { to.ProcessedCount = from.ProcessedCount },
		kind:  kindNumber,
		value: func(job reindex.Job) value { return numberOf(job.Processed) },
	},
	{
		name: "message",
		copy: func(to, from *jobView) { to.Message = from.Message },
		value: func(job reindex.Job) value {
			if job.Status != reindex.StatusFailure {
				return value{}
			}
			return textOf(job.Message)
		},
	},
	{
		name: "metadata",
		copy: func(to, from *jobView) { to.Metadata = from.Metadata },
	},
	{
		name:  "metadata.createdAt",
		copy:  func(to, from *jobView) { to.Metadata.CreatedAt = from.Metadata.CreatedAt },
		kind:  kindTime,
		value: func(job reindex.Job) value { return timeOf(job.Created) },
	},
	{
		name:  "metadata.modifiedAt",
		copy:  func(to, from *jobView) { to.Metadata.ModifiedAt = from.Metadata.ModifiedAt },
		kind:  kindTime,
		value: func(job reindex.Job) value { return timeOf(job.Modified) },
	},
}

// isAny accepts every field.
func isAny(*jobField) bool { return true }

// isValue reports whether the field has values to compare.
func (f *jobField) isValue() bool { return f.value != nil }

// takes tells which values the field has.
func (f *jobField) takes() string {
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
func (f *jobField) parse(text string) (value, bool) {
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
func fieldNamed(name string, accept func(*jobField) bool) *jobField {
	i := slices.IndexFunc(jobFields, func(f *jobField) bool { return f.name == name && accept(f) })
	if i < 0 {
		return nil
	}
	return jobFields[i]
}

// fieldNames lists the names of the fields that accept accepts.
func fieldNames(accept func(*jobField) bool) string {
	var names []string
	for _, f := range jobFields {
		if accept(f) {
			names = append(names, f.name)
		}
	}
	return strings.Join(names, ", ")
}
