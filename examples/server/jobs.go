package main

import (
	"context"
	"errors"
	"fmt"

	"productindex/reindex"
	"productindex/reindex/jobsql"
)

// openJobs opens the store of jobs that the configuration names; nil stands for the engine's own, in memory.
func openJobs(ctx context.Context, cfg config) (jobs reindex.JobStore, stop func() error, err error) {
	nothing := func() error { return nil }
	if cfg.Jobs == "" {
		return nil, nothing, nil
	}
	db, kind, err := openDatabase("PRODUCTINDEX_JOBS", cfg.Jobs, ownFile)
	if err != nil {
		return nil, nil, err
	}
	dialects := map[databaseKind]jobsql.Dialect{sqliteKind: jobsql.SQLite, postgresKind: jobsql.PostgreSQL}
	if dialects[kind] == "" {
		return nil, nil, errors.Join(fmt.Errorf("PRODUCTINDEX_JOBS names a database of %s: jobs are kept in SQLite or PostgreSQL", kind), db.Close())
	}
	store, err := jobsql.New(ctx, db, &jobsql.Config{Dialect: dialects[kind], Lease: cfg.JobsLease})
	if err != nil {
		return nil, nil, errors.Join(fmt.Errorf("PRODUCTINDEX_JOBS: %w", err), db.Close())
	}
	return store, db.Close, nil
}
