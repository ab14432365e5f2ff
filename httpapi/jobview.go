package httpapi

import (
	"maps"
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
		v.ExpectedCount = &job.Expected
	}
	if job.Status == reindex.StatusFailure {
		v.Message = job.Message
	}
	return v
}

// timestamp is RFC 3339 in UTC with milliseconds.
func timestamp(t time.Time) string { return t.UTC().Format("2006-01-02T15:04:05.000Z") }

// jobFields copies a field of a job, by the name that a query has for it.
var jobFields = map[string]func(to, from *jobView){
	"id":                  func(to, from *jobView) { to.ID = from.ID },
	"entityType":          func(to, from *jobView) { to.EntityType = from.EntityType },
	"status":              func(to, from *jobView) { to.Status = from.Status },
	"expectedCount":       func(to, from *jobView) { to.ExpectedCount = from.ExpectedCount },
	"processedCount":      func(to, from *jobView) { to.ProcessedCount = from.ProcessedCount },
	"message":             func(to, from *jobView) { to.Message = from.Message },
	"metadata":            func(to, from *jobView) { to.Metadata = from.Metadata },
	"metadata.createdAt":  func(to, from *jobView) { to.Metadata.CreatedAt = from.Metadata.CreatedAt },
	"metadata.modifiedAt": func(to, from *jobView) { to.Metadata.ModifiedAt = from.Metadata.ModifiedAt },
}

// only returns the view with no more than these fields; nil means all of them.
func (v jobView) only(fields []string) jobView {
	if fields == nil {
		return v
	}
	var out jobView
	for _, name := range fields {
		jobFields[name](&out, &v)
	}
	return out
}

// The limits of the contract for pages.
const (
	defaultPageSize = 60
	maxPageSize     = 2000
	maxPageNumber   = 1<<31 - 1
)

// jobQuery is what a query asks of a list of jobs.
type jobQuery struct {
	pageNumber int      // from 1
	pageSize   int      // 1 to maxPageSize
	fields     []string // names in jobFields; nil: all
}

// parseJobQuery reads the query of a list. Its errors are answers. Parameters that the contract does not have are ignored.
func parseJobQuery(rawQuery string) (q jobQuery, err error) {
	values, err := parseQuery(rawQuery, "pageNumber", "pageSize", "fields")
	if err != nil {
		return q, err
	}
	for _, name := range []string{"q", "sort"} {
		if values.Has(name) {
			return q, invalid("Unsupported "+name, "Parameter '"+name+"' is not supported")
		}
	}
	if q.pageNumber, err = intParameter(values, "pageNumber", 1, maxPageNumber); err != nil {
		return q, err
	}
	if q.pageSize, err = intParameter(values, "pageSize", defaultPageSize, maxPageSize); err != nil {
		return q, err
	}
	q.fields, err = parseFields(values.Get("fields"))
	return q, err
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
func parseFields(list string) ([]string, error) {
	var fields []string
	for name := range strings.SplitSeq(list, ",") {
		name = strings.TrimSpace(name)
		if name == "" || slices.Contains(fields, name) {
			continue
		}
		if _, ok := jobFields[name]; !ok {
			known := slices.Sorted(maps.Keys(jobFields))
			return nil, invalid("Unknown field", "Parameter 'fields' takes these, separated by commas: "+strings.Join(known, ", "))
		}
		fields = append(fields, name)
	}
	return fields, nil
}
