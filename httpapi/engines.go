package httpapi

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"reflect"
	"slices"
	"strings"

	"productindex/httpapi/internal/jobquery"
	"productindex/reindex"
)

// Engine has the methods of [*reindex.Engine] that a handler calls. Other implementations must keep the promises of its
// documentation.
type Engine interface {
	EntityType() string
	StartWith(ctx context.Context, tenant string, options reindex.Options) (job reindex.Job, started bool, err error)
	Job(ctx context.Context, tenant, id string) (reindex.Job, error)
	Jobs(ctx context.Context, tenant string, query reindex.JobQuery) (jobs []reindex.Job, total int, err error)
	Cancel(ctx context.Context, tenant, id string) error
	Watch(ctx context.Context, tenant, id string) iter.Seq2[reindex.Job, error]
}

// isNil reports whether e is nil, or a nil pointer.
func isNil(e Engine) bool {
	if e == nil {
		return true
	}
	v := reflect.ValueOf(e)
	return v.Kind() == reflect.Pointer && v.IsNil()
}

// engines has one engine per entity type, and one for products with rag.
type engines struct {
	all []Engine // rag included, as the last one
	rag Engine   // nil: there is none
}

func newEngines(first Engine, cfg *Config) (engines, error) {
	es := engines{all: append([]Engine{first}, cfg.Engines...), rag: cfg.RAG}
	if es.rag != nil {
		es.all = append(es.all, es.rag)
	}
	for i, e := range es.all {
		if at := slices.IndexFunc(es.all, func(other Engine) bool { return other.EntityType() == e.EntityType() }); at != i {
			hint := ""
			if e == es.rag {
				hint = "; the engine for RAG needs a type of its own, such as PRODUCT_RAG, which callers do not see"
			}
			return es, fmt.Errorf("there is more than one engine for the entity type %s%s", e.EntityType(), hint)
		}
	}
	return es, nil
}

// of returns the engine of an entity type that callers know, or nil if there is none.
func (es engines) of(entityType string) Engine {
	for _, e := range es.all {
		if e.EntityType() == entityType && e != es.rag {
			return e
		}
	}
	return nil
}

// entityTypes lists the types that callers know.
func (es engines) entityTypes() string {
	var types []string
	for _, e := range es.all {
		if e != es.rag {
			types = append(types, e.EntityType())
		}
	}
	return strings.Join(types, ", ")
}

// shown returns a job as callers see it.
func (es engines) shown(job reindex.Job) jobquery.Job {
	out := jobquery.Job{Record: job}
	if es.rag != nil && job.EntityType == es.rag.EntityType() {
		out.Record.EntityType, out.RAG = reindex.EntityProduct, true
	}
	return out
}

// answers reports whether e is the engine that knows a job: the engine of its type, or the first engine if there is
// none of that type. Other engines find the job in a shared store, but not its latest state.
func (es engines) answers(e Engine, job reindex.Job) bool {
	own := slices.IndexFunc(es.all, func(other Engine) bool { return other.EntityType() == job.EntityType })
	return es.all[max(own, 0)] == e
}

// job finds a job, and the engine that knows it.
func (es engines) job(ctx context.Context, tenant, id string) (Engine, reindex.Job, error) {
	for _, e := range es.all {
		job, err := e.Job(ctx, tenant, id)
		if errors.Is(err, reindex.ErrJobNotFound) || err == nil && !es.answers(e, job) {
			continue
		}
		return e, job, err
	}
	return nil, reindex.Job{}, reindex.ErrJobNotFound
}

// jobs lists the jobs of all engines, each of them once, whether the engines share a store or not.
func (es engines) jobs(ctx context.Context, tenant string, query reindex.JobQuery) ([]reindex.Job, int, error) {
	if len(es.all) == 1 {
		return es.all[0].Jobs(ctx, tenant, query)
	}
	var all []reindex.Job
	total := 0
	for _, e := range es.all {
		part := query
		part.Match = func(job reindex.Job) bool { return es.answers(e, job) && (query.Match == nil || query.Match(job)) }
		if part.Offset = 0; query.Limit > 0 {
			part.Limit = query.Offset + query.Limit
		}
		jobs, n, err := e.Jobs(ctx, tenant, part)
		if err != nil {
			return nil, 0, err
		}
		all = append(all, jobs...)
		total += n
	}
	slices.SortStableFunc(all, func(a, b reindex.Job) int { return b.Created.Compare(a.Created) })
	query.Match = nil // all of them match already
	selected, _ := query.Select(all)
	return selected, total, nil
}
