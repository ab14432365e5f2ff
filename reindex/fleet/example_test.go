package fleet_test

import (
	"context"
	"net/http"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"

	"productindex/httpapi"
	"productindex/reindex"
	"productindex/reindex/fleet"
)

// One process triggers reindexes over HTTP. Any number of other processes work on them. All have the same source and
// index.
func ExampleNew() {
	trigger := func(ctx context.Context, pool *pgxpool.Pool, source reindex.Source, index reindex.Indexer) error {
		f, err := fleet.New(ctx, pool, source, index, &fleet.Config{Role: fleet.Trigger})
		if err != nil {
			return err
		}
		// A Fleet is an httpapi.Engine.
		return httpapi.Mount(http.DefaultServeMux, f, httpapi.Config{Authorizer: httpapi.AllowAll})
	}
	worker := func(ctx context.Context, pool *pgxpool.Pool, source reindex.Source, index reindex.Indexer) error {
		f, err := fleet.New(ctx, pool, source, index, &fleet.Config{Role: fleet.Worker, Lease: 30 * time.Second})
		if err != nil {
			return err
		}
		return f.Work(ctx) // works in the background until f.Shutdown
	}
	_, _ = trigger, worker
	// Output:
}
