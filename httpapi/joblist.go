package httpapi

import (
	"context"
	"net/url"
	"strconv"

	"productindex/httpapi/internal/jobquery"
	"productindex/reindex"
)

// jobQuery is the query of a list of jobs.
type jobQuery struct {
	page       page
	fields     jobquery.Fields
	conditions jobquery.Conditions
	order      jobquery.Order // none: newest first
}

// parseJobQuery reads the query of a list. Its errors are answers. Parameters that the contract does not have are
// ignored.
func parseJobQuery(rawQuery string) (q jobQuery, err error) {
	values, err := parseQuery(rawQuery, "pageNumber", "pageSize", "fields", "sort", "q")
	if err != nil {
		return q, err
	}
	if q.page, err = parsePage(values); err != nil {
		return q, err
	}
	if q.fields, err = jobquery.ParseFields(values.Get("fields")); err != nil {
		return q, err
	}
	if q.order, err = jobquery.ParseSort(values.Get("sort")); err != nil {
		return q, err
	}
	q.conditions, err = jobquery.ParseConditions(values.Get("q"))
	return q, err
}

// forStore returns the query for a job store, which sees jobs as they are shown. Once ctx has ended, no job matches and
// all jobs are equal, so that the store has no more work.
func (q *jobQuery) forStore(ctx context.Context, shown func(reindex.Job) jobquery.Job) reindex.JobQuery {
	out := reindex.JobQuery{Offset: q.page.offset(), Limit: q.page.size}
	if len(q.conditions) > 0 {
		out.Match = func(job reindex.Job) bool { return ctx.Err() == nil && q.conditions.Hold(shown(job)) }
	}
	if len(q.order) > 0 {
		out.Compare = func(a, b reindex.Job) int {
			if ctx.Err() != nil {
				return 0
			}
			return q.order.Compare(shown(a), shown(b))
		}
	}
	return out
}

// parseQuery decodes a query, in which each of the named parameters may be given at most once.
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
