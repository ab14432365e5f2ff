// Package jobquery is the language in which callers select, sort and project jobs: the parameters q, sort and fields of a list. All of
// it is about jobs as they are shown; the documentation of package httpapi describes the language.
package jobquery

import (
	"slices"
	"strings"
	"time"

	"productindex/reindex"
)

// Job is a job that callers see.
type Job struct {
	// Record is the job. Its EntityType is the one that is shown.
	Record reindex.Job
}

// Error says what is wrong with a parameter, to its caller.
type Error struct {
	// Message names the parameter, Detail the place and the reason.
	Message, Detail string
}

// Error returns both parts.
func (e *Error) Error() string { return e.Message + ": " + e.Detail }

// View is the schema ReindexJob. A field with its zero value was not asked for, or is not known.
type View struct {
	ID             string       `json:"id,omitempty"`
	EntityType     string       `json:"entityType,omitempty"`
	Status         string       `json:"status,omitempty"`
	ExpectedCount  *int64       `json:"expectedCount,omitempty"`
	Estimated      bool         `json:"estimated,omitempty"`
	ProcessedCount *int64       `json:"processedCount,omitempty"`
	Message        string       `json:"message,omitempty"`
	Metadata       MetadataView `json:"metadata,omitzero"`
}

// MetadataView is a part of the schema ReindexJob.
type MetadataView struct {
	CreatedAt  string `json:"createdAt,omitempty"`
	ModifiedAt string `json:"modifiedAt,omitempty"`
}

// Show returns all of a job that callers see. A failure's message is all that it says of the reason.
func Show(job *Job) View {
	r := &job.Record
	v := View{
		ID:             r.ID,
		EntityType:     r.EntityType,
		Status:         string(r.Status),
		ProcessedCount: new(r.Processed),
		Metadata:       MetadataView{CreatedAt: timestamp(r.Created), ModifiedAt: timestamp(r.Modified)},
	}
	if r.Expected >= 0 {
		v.ExpectedCount, v.Estimated = new(r.Expected), r.Estimated
	}
	if r.Status == reindex.StatusFailure {
		v.Message = r.Message
	}
	return v
}

// timestamp is RFC 3339 in UTC with milliseconds.
func timestamp(t time.Time) string { return t.UTC().Format("2006-01-02T15:04:05.000Z") }

// Fields are the fields of a job that a caller wants; nil means all of them.
type Fields []*field

// Of returns the view with no more than these fields.
func (fs Fields) Of(v View) View {
	if fs == nil {
		return v
	}
	var out View
	for _, f := range fs {
		f.copy(&out, &v)
	}
	return out
}

// ParseFields reads names separated by commas; none at all means all of them. Its error is an [*Error].
func ParseFields(list string) (Fields, error) {
	var fields Fields
	for name := range strings.SplitSeq(list, ",") {
		name = strings.Trim(name, space)
		if name == "" {
			continue
		}
		f := fieldNamed(name, isAny)
		if f == nil {
			return nil, &Error{"Unknown field", "Parameter 'fields' takes these, separated by commas: " + fieldNames(isAny)}
		}
		if !slices.Contains(fields, f) {
			fields = append(fields, f)
		}
	}
	return fields, nil
}
