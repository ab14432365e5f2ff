package httpapi

import (
	"context"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"productindex/reindex"
)

// jobView is the schema ReindexJob. A field with its zero value was not asked for, or is not known.
type jobView struct {
	ID             string       `json:"id,omitempty"`
	EntityType     string       `json:"entityType,omitempty"`
	Status         string       `json:"status,omitempty"`
	ExpectedCount  *int64       `json:"expectedCount,omitempty"`
	Estimated      bool         `json:"estimated,omitempty"`
	ProcessedCount *int64       `json:"processedCount,omitempty"`
	Message        string       `json:"message,omitempty"`
	Metadata       metadataView `json:"metadata,omitzero"`
}

type metadataView struct {
	CreatedAt  string `json:"createdAt,omitempty"`
	ModifiedAt string `json:"modifiedAt,omitempty"`
}

// viewJob shows all of a job. A failure's message is all that it tells of the reason.
func viewJob(job reindex.Job) jobView {
	v := jobView{
		ID:             job.ID,
		EntityType:     job.EntityType,
		Status:         string(job.Status),
		ProcessedCount: &job.Processed,
		Metadata:       metadataView{CreatedAt: timestamp(job.Created), ModifiedAt: timestamp(job.Modified)},
	}
	if job.Expected >= 0 {
		v.ExpectedCount, v.Estimated = &job.Expected, job.Estimated
	}
	if job.Status == reindex.StatusFailure {
		v.Message = job.Message
	}
	return v
}

// timestamp is RFC 3339 in UTC with milliseconds.
func timestamp(t time.Time) string { return t.UTC().Format("2006-01-02T15:04:05.000Z") }

// only returns the view with no more than these fields; nil means all of them.
func (v jobView) only(fields []*jobField) jobView {
	if fields == nil {
		return v
	}
	var out jobView
	for _, field := range fields {
		field.copy(&out, &v)
	}
	return out
}

// jobQuery is what a query asks of a list of jobs.
type jobQuery struct {
	page       page
	fields     []*jobField // nil: all
	conditions []condition // all of which hold
	keys       []sortKey   // none: newest first
}

// parseJobQuery reads the query of a list. Its errors are answers. Parameters that the contract does not have are ignored.
func parseJobQuery(rawQuery string) (q jobQuery, err error) {
	values, err := parseQuery(rawQuery, "pageNumber", "pageSize", "fields", "sort", "q")
	if err != nil {
		return q, err
	}
	if q.page, err = parsePage(values); err != nil {
		return q, err
	}
	if q.fields, err = parseFields(values.Get("fields")); err != nil {
		return q, err
	}
	if q.keys, err = parseSort(values.Get("sort")); err != nil {
		return q, err
	}
	q.conditions, err = parseConditions(values.Get("q"))
	return q, err
}

// forStore is the query as a job store evaluates it. Once ctx has ended nothing matches or differs any more, which ends the work at the
// next job.
func (q *jobQuery) forStore(ctx context.Context) reindex.JobQuery {
	out := reindex.JobQuery{Offset: q.page.offset(), Limit: q.page.size}
	if len(q.conditions) > 0 {
		out.Match = func(job reindex.Job) bool {
			return ctx.Err() == nil && !slices.ContainsFunc(q.conditions, func(c condition) bool { return !c.holds(job) })
		}
	}
	if len(q.keys) > 0 {
		out.Compare = func(a, b reindex.Job) int {
			if ctx.Err() != nil {
				return 0
			}
			return compareJobs(q.keys, a, b)
		}
	}
	return out
}

// parseQuery decodes a query in which parameters of these names come once.
func parseQuery(rawQuery string, names ...string) (url.Values, error) {
	values, err := url.ParseQuery(rawQuery)
	if err != nil {
		return nil, invalid("Malformed query", "A query is a list of name=value, percent-encoded and separated by &")
	}
	for _, name := range names {
		if len(values[name]) > 1 {
			return nil, invalid("Ambiguous "+name, "Parameter '"+name+"' may be given once")
		}
	}
	return values, nil
}

// intParameter reads a decimal number from 1 to most.
func intParameter(values url.Values, name string, fallback, most int) (int, error) {
	if !values.Has(name) {
		return fallback, nil
	}
	n, err := strconv.ParseUint(values.Get(name), 10, 31)
	if err != nil || n < 1 || int(n) > most {
		return 0, invalid("Invalid "+name, "Parameter '"+name+"' must be a number from 1 to "+strconv.Itoa(most))
	}
	return int(n), nil
}

// parseFields reads names separated by commas; none at all means all of them.
func parseFields(list string) ([]*jobField, error) {
	var fields []*jobField
	for name := range strings.SplitSeq(list, ",") {
		name = strings.Trim(name, space)
		if name == "" {
			continue
		}
		field := fieldNamed(name, isAny)
		if field == nil {
			return nil, invalid("Unknown field", "Parameter 'fields' takes these, separated by commas: "+fieldNames(isAny))
		}
		if !slices.Contains(fields, field) {
			fields = append(fields, field)
		}
	}
	return fields, nil
}
