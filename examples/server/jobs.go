package main

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"net/url"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/stdlib"
	_ "modernc.org/sqlite" // the driver sqlite

	"productindex/reindex"
	"productindex/reindex/jobsql"
)

// connectTimeout limits how long connecting to PostgreSQL may take where its URL sets no limit (connect_timeout).
const connectTimeout = 5 * time.Second

// connLifetime limits how long a connection to PostgreSQL is kept, so that one to a former primary does not answer for long.
const connLifetime = 5 * time.Minute

// openJobs opens the store of jobs that the configuration names; nil stands for the engine's own, in memory.
func openJobs(ctx context.Context, cfg config) (jobs reindex.JobStore, stop func() error, err error) {
	db, dialect, err := openDatabase(cfg.Jobs)
	if err != nil || db == nil {
		return nil, func() error { return nil }, err
	}
	store, err := jobsql.New(ctx, db, &jobsql.Config{Dialect: dialect, Lease: cfg.JobsLease})
	if err != nil {
		return nil, nil, errors.Join(fmt.Errorf("PRODUCTINDEX_JOBS: %w", err), db.Close())
	}
	return store, db.Close, nil
}

// openDatabase opens the database that PRODUCTINDEX_JOBS names. No error tells its value, which can hold a password.
func openDatabase(name string) (*sql.DB, jobsql.Dialect, error) {
	kind, path, _ := strings.Cut(name, ":")
	switch {
	case name == "":
		return nil, "", nil
	case kind == "sqlite" && path != "":
		file := url.URL{Path: path}
		db, err := sql.Open("sqlite", "file:"+file.EscapedPath()+"?_pragma=journal_mode(WAL)&_pragma=busy_timeout(5000)")
		return db, jobsql.SQLite, err
	case kind == "postgres" || kind == "postgresql":
		connection, err := pgx.ParseConfig(name)
		if err != nil {
			return nil, "", errors.New("PRODUCTINDEX_JOBS is no valid URL of a PostgreSQL database")
		}
		if connection.ConnectTimeout == 0 {
			connection.ConnectTimeout = connectTimeout
		}
		db := stdlib.OpenDB(*connection)
		db.SetConnMaxLifetime(connLifetime) // see jobsql on failovers
		return db, jobsql.PostgreSQL, nil
	}
	return nil, "", errors.New("PRODUCTINDEX_JOBS is neither sqlite:PATH nor postgres://…, nor empty")
}
