package main

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/jackc/pgx/v5/pgxpool"

	"productindex/httpapi"
	"productindex/reindex"
	"productindex/reindex/fleet"
	"productindex/reindex/schedule"
)

// fleetSettings make several servers reindex one tenant together, and take over the runs of a server that died; see
// package fleet. They need a PostgreSQL in PRODUCTINDEX_JOBS, and elasticsearch or meilisearch in PRODUCTINDEX_BACKEND.
// All servers on that database belong to the fleet and must read the same catalogues.
type fleetSettings struct {
	// Role is trigger for a server that starts and shows reindexes, worker for a server that runs them, or both. If it
	// is empty, there is no fleet, and each server runs the reindexes that it starts.
	Role string `env:"PRODUCTINDEX_FLEET"`
	// Parts is the number of parts that this server loads at the same time. PartProducts is the approximate number of
	// products in a part.
	Parts        int `env:"PRODUCTINDEX_FLEET_PARTS"         envDefault:"2"`
	PartProducts int `env:"PRODUCTINDEX_FLEET_PART_PRODUCTS" envDefault:"20000"`
	// TenantParts is the greatest number of parts of one tenant that all servers load at the same time.
	TenantParts int `env:"PRODUCTINDEX_FLEET_TENANT_PARTS" envDefault:"16"`
	// BytesInFlight limits the bytes that all servers together have on their way to the index; 0 means no limit.
	BytesInFlight int64 `env:"PRODUCTINDEX_FLEET_BYTES_IN_FLIGHT" envDefault:"0"`
}

// engine runs reindexes: a [reindex.Engine], or a process of a fleet.
type engine interface {
	httpapi.Engine
	httpapi.Updater
	httpapi.Rollbacker
	schedule.Engine
	Shutdown(ctx context.Context) error
}

// opened is an engine with its stores.
type opened struct {
	engine engine
	// work starts the work for a fleet, if there is one.
	work func(ctx context.Context) error
	// close closes the stores. It must be called after the engine's Shutdown.
	close func() error
}

// openEngine opens the engine, or joins the fleet, with the configured stores of jobs and changes.
func (c config) openEngine(
	ctx context.Context, src reindex.Source, ix reindex.Indexer, settings reindex.Config,
) (opened, error) {
	if c.Fleet.Role != "" {
		return c.joinFleet(ctx, src, ix, settings)
	}
	records, err := openRecords(ctx, c)
	if err != nil {
		return opened{}, err
	}
	settings.Jobs, settings.Changes = records.jobs, records.changes
	alone, err := reindex.New(src, ix, &settings)
	if err != nil {
		return opened{}, errors.Join(err, records.close())
	}
	return opened{alone, func(context.Context) error { return nil }, records.close}, nil
}

// minConns is the smallest number of connections of a process of a fleet. One of them waits for River's notifications,
// and one holds a lock while tables are created.
const minConns = 8

// joinFleet makes this server a process of a fleet, whose jobs and changes are in PRODUCTINDEX_JOBS.
func (c config) joinFleet(
	ctx context.Context, src reindex.Source, ix reindex.Indexer, settings reindex.Config,
) (opened, error) {
	role, ok := map[string]fleet.Role{"trigger": fleet.Trigger, "worker": fleet.Worker, "both": fleet.Both}[c.Fleet.Role]
	if !ok {
		return opened{}, fmt.Errorf("PRODUCTINDEX_FLEET is %q; it must be trigger, worker or both", c.Fleet.Role)
	}
	if !strings.HasPrefix(c.Jobs, "postgres://") && !strings.HasPrefix(c.Jobs, "postgresql://") {
		return opened{}, errors.New(
			"PRODUCTINDEX_FLEET needs PRODUCTINDEX_JOBS, the PostgreSQL of the fleet: postgres://…",
		)
	}
	conns, err := pgxpool.ParseConfig(c.Jobs)
	if err != nil {
		return opened{}, errors.New("PRODUCTINDEX_JOBS is not a valid URL of a database") // err may contain a part of the URL
	}
	conns.MaxConns, conns.MaxConnLifetime = max(conns.MaxConns, minConns), connLifetime
	if conns.ConnConfig.ConnectTimeout == 0 {
		conns.ConnConfig.ConnectTimeout = connectTimeout
	}
	pool, err := pgxpool.NewWithConfig(ctx, conns)
	if err != nil {
		return opened{}, fmt.Errorf("PRODUCTINDEX_JOBS: %w", err)
	}
	member, err := fleet.New(ctx, pool, src, ix, &fleet.Config{
		Engine: settings, Role: role, Lease: c.JobsLease, Parts: c.Fleet.Parts, PartProducts: c.Fleet.PartProducts,
		TenantParts: c.Fleet.TenantParts, BytesInFlight: c.Fleet.BytesInFlight,
	})
	if err != nil {
		pool.Close()
		return opened{}, fmt.Errorf("PRODUCTINDEX_FLEET: %w", err)
	}
	return opened{member, member.Work, func() error {
		pool.Close()
		return nil
	}}, nil
}
