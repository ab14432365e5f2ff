package jobquery

import (
	"cmp"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"time"

	"productindex/reindex"
)

// kind is the kind of a field's values.
type kind int

const (
	kindText kind = iota
	kindNumber
	kindTime
)

// value is the value of a field in one job: a text, a number, or a time as the milliseconds since 1970 that responses
// show. The zero value stands for a field that the job does not have.
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

// textOf returns the value of a text. An empty text is not shown, so the value is missing.
func textOf(s string) value { return value{known: s != "", text: s} }

func numberOf(n int64) value { return value{known: true, number: n} }

func timeOf(t time.Time) value { return numberOf(t.UnixMilli()) }

// field is a field of a job.
type field struct {
	name  string // in the parameters fields, q and sort
	kind  kind
	among []string          // all possible values, or nil if any value of the kind is possible
	at    func(v *View) any // returns a pointer to the field of the view
	value func(Job) value   // returns a missing value if the field is not shown; nil for an object, which has no value
}

// copy copies the field from one view to another.
func (f *field) copy(to, from *View) {
	reflect.ValueOf(f.at(to)).Elem().Set(reflect.ValueOf(f.at(from)).Elem())
}

// show sets the field of a view.
func (f *field) show(v *View, got value) {
	switch place := f.at(v).(type) {
	case *string:
		if *place = got.text; f.kind == kindTime {
			*place = Timestamp(time.UnixMilli(got.number))
		}
	case **int64:
		*place = &got.number
	case *bool:
		*place = got.known
	}
}

// text returns a field whose values are texts.
func text(name string, at func(*View) any, of func(Job) string) *field {
	return &field{name: name, at: at, value: func(job Job) value { return textOf(of(job)) }}
}

// flag returns a field that is either true or missing.
func flag(name string, at func(*View) any, of func(Job) bool) *field {
	return &field{name: name, at: at, among: []string{"true"}, value: func(job Job) value {
		if !of(job) {
			return value{}
		}
		return textOf("true")
	}}
}

// count returns a field whose values are numbers of entities.
func count(name string, at func(*View) any, of func(*reindex.Report) int64) *field {
	return &field{
		name:  name,
		at:    at,
		kind:  kindNumber,
		value: func(job Job) value { return numberOf(of(&job.Record.Report)) },
	}
}

// millis returns a field with the duration of a phase in milliseconds. It is missing before the end of the phase.
func millis(name string, at func(*View) any, of func(*reindex.Durations) time.Duration) *field {
	return &field{name: name, at: at, kind: kindNumber, value: func(job Job) value {
		d := of(&job.Record.Report.Durations)
		if d <= 0 {
			return value{}
		}
		return numberOf(d.Milliseconds())
	}}
}

// date returns a field whose values are times.
func date(name string, at func(*View) any, of func(Job) time.Time) *field {
	return &field{name: name, at: at, kind: kindTime, value: func(job Job) value { return timeOf(of(job)) }}
}

// object returns a field that has fields of its own.
func object(name string, at func(*View) any) *field { return &field{name: name, at: at} }

// oneOf sets all possible values of the field.
func (f *field) oneOf(values ...string) *field {
	f.among = values
	return f
}

// allFields are all fields, in the order in which they are shown.
var allFields = []*field{
	text("id", func(v *View) any { return &v.ID }, func(job Job) string { return job.Record.ID }),
	text("entityType", func(v *View) any { return &v.EntityType }, func(job Job) string { return job.Record.EntityType }),
	flag("rag", func(v *View) any { return &v.RAG }, func(job Job) bool { return job.RAG }),
	flag("dryRun", func(v *View) any { return &v.DryRun }, func(job Job) bool { return job.Record.Options.DryRun }),
	text("mode", func(v *View) any { return &v.Mode }, func(job Job) string {
		if !job.Record.Options.Rollback {
			return ""
		}
		return "ROLLBACK"
	}).oneOf("ROLLBACK"),
	text("generation", func(v *View) any { return &v.Generation }, func(job Job) string {
		if !job.Record.Options.Rollback {
			return ""
		}
		return job.Record.Generation
	}),
	text(
		"status", func(v *View) any { return &v.Status }, func(job Job) string { return string(job.Record.Status) },
	).oneOf(
		string(reindex.StatusPending), string(reindex.StatusInProgress), string(reindex.StatusPublished),
		string(reindex.StatusSuccess), string(reindex.StatusFailure),
	),
	text("phase", func(v *View) any { return &v.Phase }, phase).oneOf(phases...),
	{
		name: "expectedCount",
		kind: kindNumber,
		at:   func(v *View) any { return &v.ExpectedCount },
		value: func(job Job) value {
			if job.Record.Expected < 0 {
				return value{}
			}
			return numberOf(job.Record.Expected)
		},
	},
	flag("estimated", func(v *View) any { return &v.Estimated }, func(job Job) bool {
		return job.Record.Expected >= 0 && job.Record.Estimated
	}),
	count("readCount", func(v *View) any { return &v.ReadCount }, func(r *reindex.Report) int64 { return r.Read }),
	count(
		"processedCount",
		func(v *View) any { return &v.ProcessedCount },
		func(r *reindex.Report) int64 { return r.Indexed },
	),
	count(
		"rejectedCount",
		func(v *View) any { return &v.RejectedCount },
		func(r *reindex.Report) int64 { return r.Rejected },
	),
	count(
		"duplicateCount",
		func(v *View) any { return &v.DuplicateCount },
		func(r *reindex.Report) int64 { return r.Duplicates },
	),
	count(
		"conflictCount",
		func(v *View) any { return &v.ConflictCount },
		func(r *reindex.Report) int64 { return r.Conflicts },
	),
	count(
		"changesApplied",
		func(v *View) any { return &v.ChangesApplied },
		func(r *reindex.Report) int64 { return r.ChangesApplied },
	),
	count(
		"changesRefused",
		func(v *View) any { return &v.ChangesRefused },
		func(r *reindex.Report) int64 { return r.ChangesRefused },
	),
	{
		name: "ignoredFieldCount", kind: kindNumber, at: func(v *View) any { return &v.IgnoredFields },
		value: func(job Job) value {
			if job.Record.Report.Ignored == 0 {
				return value{}
			}
			return numberOf(job.Record.Report.Ignored)
		},
	},
	text("message", func(v *View) any { return &v.Message }, func(job Job) string {
		if job.Record.Status != reindex.StatusFailure {
			return ""
		}
		return job.Record.Message
	}),
	object("durations", func(v *View) any { return &v.Durations }),
	millis("durations.pendingMillis", func(v *View) any { return &v.Durations.PendingMillis },
		func(d *reindex.Durations) time.Duration { return d.Pending }),
	millis("durations.openMillis", func(v *View) any { return &v.Durations.OpenMillis },
		func(d *reindex.Durations) time.Duration { return d.Open }),
	millis("durations.beginMillis", func(v *View) any { return &v.Durations.BeginMillis },
		func(d *reindex.Durations) time.Duration { return d.Begin }),
	millis("durations.loadMillis", func(v *View) any { return &v.Durations.LoadMillis },
		func(d *reindex.Durations) time.Duration { return d.Load }),
	millis("durations.sealMillis", func(v *View) any { return &v.Durations.SealMillis },
		completion),
	millis("durations.commitMillis", func(v *View) any { return &v.Durations.CommitMillis },
		func(d *reindex.Durations) time.Duration { return d.Commit }),
	millis("durations.totalMillis", func(v *View) any { return &v.Durations.TotalMillis },
		func(d *reindex.Durations) time.Duration { return d.Total }),
	object("metadata", func(v *View) any { return &v.Metadata }),
	date(
		"metadata.createdAt",
		func(v *View) any { return &v.Metadata.CreatedAt },
		func(job Job) time.Time { return job.Record.Created },
	),
	date(
		"metadata.modifiedAt",
		func(v *View) any { return &v.Metadata.ModifiedAt },
		func(job Job) time.Time { return job.Record.Modified },
	),
}

// phases are the values of the field phase, in the order in which a job passes through them. Each has a duration.
var phases = []string{
	string(reindex.PhasePending), string(reindex.PhaseOpen), string(reindex.PhaseBegin), string(reindex.PhaseLoad),
	string(reindex.PhaseSeal), string(reindex.PhaseCommit),
}

// completion returns the duration of the phase seal. For callers it includes applying edits and checking the new index,
// which are phases of their own in package reindex.
func completion(d *reindex.Durations) time.Duration {
	if d.Seal <= 0 {
		return 0
	}
	return d.CatchUp + d.Seal + d.Check
}

// phase returns the phase of a job, or the phase in which it failed. It is empty for a job that has succeeded.
func phase(job Job) string {
	phase, status := job.Record.Phase, job.Record.Status
	switch {
	case status == reindex.StatusSuccess:
		return ""
	case phase == "" && status == reindex.StatusInProgress:
		phase = reindex.PhaseOpen
	case phase == "" && status != reindex.StatusPublished:
		phase = reindex.PhasePending
	case phase == "":
		phase = reindex.PhaseSeal
	case phase == reindex.PhaseRead, phase == reindex.PhaseWrite:
		phase = reindex.PhaseLoad
	case phase == reindex.PhaseCatchUp, phase == reindex.PhaseCheck:
		phase = reindex.PhaseSeal
	}
	return string(phase)
}

// isAny accepts every field.
func isAny(*field) bool { return true }

// isValue reports whether the field has values to compare.
func (f *field) isValue() bool { return f.value != nil }

// takes describes the values of the field, for error messages.
func (f *field) takes() string {
	switch {
	case len(f.among) == 1:
		return "only " + f.among[0]
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

// parse parses a value of the field, and reports whether the field can have it.
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

// fieldNames lists the names of the fields that accept accepts, for error messages.
func fieldNames(accept func(*field) bool) string { return strings.Join(namesOf(accept), ", ") }
