package httpapi

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"slices"
	"strings"

	"productindex/reindex"
)

// engine is the part of *reindex.Engine that is needed here.
type engine interface {
	EntityType() string
	Start(ctx context.Context, tenant string) (job reindex.Job, started bool, err error)
	Job(ctx context.Context, tenant, id string) (reindex.Job, error)
	Jobs(ctx context.Context, tenant string, query reindex.JobQuery) (jobs []reindex.Job, total int, err error)
	Cancel(ctx context.Context, tenant, id string) error
	Watch(ctx context.Context, tenant, id string) iter.Seq2[reindex.Job, error]
}

// engines are one for each entity type; the first one is that for products.
type engines []engine

// check reports whether the types are as they should be.
func (es engines) check() error {
	if t := es[0].EntityType(); t != reindex.EntityProduct {
		return fmt.Errorf("the engine reindexes %s, it must be one for %s; others go into Engines", t, reindex.EntityProduct)
	}
	for i, e := range es {
		if at := slices.IndexFunc(es, func(other engine) bool { return other.EntityType() == e.EntityType() }); at != i {
			return fmt.Errorf("there is more than one engine for the entity type %s", e.EntityType())
		}
	}
	return nil
}

// of returns the engine of an entity type, and nil where there is none.
func (es engines) of(entityType string) engine {
	for _, e := range es {
		if e.EntityType() == entityType {
			return e
		}
	}
	return nil
}

// entityTypes lists the types.
func (es engines) entityTypes() string {
	types := make([]string, len(es))
	for i, e := range es {
		types[i] = e.EntityType()
	}
	return strings.Join(types, ", ")
}

// answers reports whether e is the engine that knows about a job: the one of its type, or the first one where that is gone. Where
// engines share a store, others find the job there, too, but not how it is now.
func (es engines) answers(e engine, job reindex.Job) bool {
	own := es.of(job.EntityType)
	return own == e || own == nil && es[0] == e
}

// job finds a job, and the engine that knows about it.
func (es engines) job(ctx context.Context, tenant, id string) (engine, reindex.Job, error) {
	for _, e := range es {
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
	if len(es) == 1 {
		return es[0].Jobs(ctx, tenant, query)
	}
	var all []reindex.Job
	total := 0
	for _, e := range es {
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
	query.Match = nil // it held a moment ago
	selected, _ := query.Select(all)
	return selected, total, nil
}
