// Package jobquery implements the parameters q, sort and fields, by which callers select, sort and project jobs. They
// apply to jobs as responses show them. The documentation of package httpapi describes the language.
package jobquery

import (
	"slices"
	"strings"
	"time"

	"productindex/reindex"
)

// Job is a job as callers see it.
type Job struct {
	// Record is the job. Its EntityType is the type that callers see.
	Record reindex.Job
	// RAG is set if the job reindexes for retrieval-augmented generation.
	RAG bool
}

// Error is an error of a parameter, for its caller.
type Error struct {
	// Message names the parameter, Detail the place and the reason.
	Message, Detail string
}

// Error returns both parts.
func (e *Error) Error() string { return e.Message + ": " + e.Detail }

// View is the schema ReindexJob. A field has its zero value if it was not requested or is not known.
type View struct {
	ID             string        `json:"id,omitempty"`
	EntityType     string        `json:"entityType,omitempty"`
	RAG            bool          `json:"rag,omitempty"`
	DryRun         bool          `json:"dryRun,omitempty"`
	Mode           string        `json:"mode,omitempty"`
	Generation     string        `json:"generation,omitempty"`
	Status         string        `json:"status,omitempty"`
	Phase          string        `json:"phase,omitempty"`
	ExpectedCount  *int64        `json:"expectedCount,omitempty"`
	Estimated      bool          `json:"estimated,omitempty"`
	ReadCount      *int64        `json:"readCount,omitempty"`
	ProcessedCount *int64        `json:"processedCount,omitempty"`
	RejectedCount  *int64        `json:"rejectedCount,omitempty"`
	DuplicateCount *int64        `json:"duplicateCount,omitempty"`
	ConflictCount  *int64        `json:"conflictCount,omitempty"`
	ChangesApplied *int64        `json:"changesApplied,omitempty"`
	ChangesRefused *int64        `json:"changesRefused,omitempty"`
	IgnoredFields  *int64        `json:"ignoredFieldCount,omitempty"`
	Message        string        `json:"message,omitempty"`
	Durations      DurationsView `json:"durations,omitzero"`
	Metadata       MetadataView  `json:"metadata,omitzero"`
}

// DurationsView is a part of the schema ReindexJob: the lengths of the phases that have ended, in milliseconds.
type DurationsView struct {
	PendingMillis *int64 `json:"pendingMillis,omitempty"`
	OpenMillis    *int64 `json:"openMillis,omitempty"`
	BeginMillis   *int64 `json:"beginMillis,omitempty"`
	LoadMillis    *int64 `json:"loadMillis,omitempty"`
	SealMillis    *int64 `json:"sealMillis,omitempty"`
	CommitMillis  *int64 `json:"commitMillis,omitempty"`
	TotalMillis   *int64 `json:"totalMillis,omitempty"`
}

// MetadataView is a part of the schema ReindexJob.
type MetadataView struct {
	CreatedAt  string `json:"createdAt,omitempty"`
	ModifiedAt string `json:"modifiedAt,omitempty"`
}

// Show returns the view of a job. Callers see nothing of the reason of a failure except the message in the view.
func Show(job Job) View {
	var v View
	for _, f := range allFields {
		if f.value == nil {
			continue
		}
		if got := f.value(job); got.known {
			f.show(&v, got)
		}
	}
	return v
}

// Timestamp returns a time as responses have it: RFC 3339 in UTC with milliseconds.
func Timestamp(t time.Time) string { return t.UTC().Format("2006-01-02T15:04:05.000Z") }

// Fields are the fields of a job that a caller wants; nil means all of them.
type Fields []*field

// Of returns the view with these fields only.
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

// ParseFields parses names of fields that commas separate. An empty list means all fields. Its error is an [*Error].
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
