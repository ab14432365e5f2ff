package main

import (
	"context"
	"errors"
	"fmt"

	"productindex/reindex"
	"productindex/reindex/jobsql"
)

// records has the stores of jobs and of changes. Both are nil if the engine keeps them in memory.
type records struct {
	jobs    reindex.JobStore
	changes reindex.ChangeLog
	close   func() error
}

// openRecords opens the configured stores. Servers that share the store of jobs also share the log of changes, so that
// a run of one server has the changes that another server has accepted.
func openRecords(ctx context.Context, cfg config) (records, error) {
	if cfg.Jobs == "" {
		return records{close: func() error { return nil }}, nil
	}
	db, kind, err := openDatabase("PRODUCTINDEX_JOBS", "sqlite:PATH or postgres://…", cfg.Jobs, ownFile)
	if err != nil {
		return records{}, err
	}
	failed := func(err error) (records, error) { return records{}, errors.Join(err, db.Close()) }
	dialects := map[databaseKind]jobsql.Dialect{sqliteKind: jobsql.SQLite, postgresKind: jobsql.PostgreSQL}
	if dialects[kind] == "" {
		return failed(fmt.Errorf("PRODUCTINDEX_JOBS is a %s database; it must be SQLite or PostgreSQL", kind))
	}
	store, err := jobsql.New(ctx, db, &jobsql.Config{Dialect: dialects[kind], Lease: cfg.JobsLease})
	if err != nil {
		return failed(fmt.Errorf("PRODUCTINDEX_JOBS: %w", err))
	}
	changes, err := store.Changes(nil)
	if err != nil {
		return failed(fmt.Errorf("PRODUCTINDEX_JOBS: %w", err))
	}
	return records{jobs: store, changes: changes, close: db.Close}, nil
}
