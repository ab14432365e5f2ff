package sqlsource_test

import (
	"context"
	"database/sql"
	"errors"
	"sync"
	"testing"
	"time"

	"productindex/reindex"
	"productindex/reindex/jobsql"
	"productindex/reindex/reindextest"
	"productindex/source"
	"productindex/source/sqlsource"
)

// watched is an index that calls look before each write.
type watched struct {
	*reindextest.Memory

	look func(ctx context.Context) error
}

func (w watched) Begin(ctx context.Context, tenant string) (reindex.Generation, error) {
	gen, err := w.Memory.Begin(ctx, tenant)
	return watchedGeneration{gen, w.look}, err
}

type watchedGeneration struct {
	reindex.Generation

	look func(ctx context.Context) error
}

func (w watchedGeneration) Write(ctx context.Context, batch []reindex.Product) error {
	if err := w.look(ctx); err != nil {
		return err
	}
	return w.Generation.Write(ctx, batch)
}

// ownConnection returns a function that fails if the sources leave no connection of the pool to others.
func ownConnection(db *sql.DB) func(ctx context.Context) error {
	return func(ctx context.Context) error {
		ctx, cancel := context.WithTimeout(ctx, patience)
		defer cancel()
		return db.PingContext(ctx)
	}
}

// Two sources and a job store share a pool. The sources read all products and leave a connection to the job store.
func testRoom(t *testing.T, d database) {
	const total = 3000
	fill(t, d.open(t), d, total)
	cfg := sqlsource.Config{
		Dialect:  d.dialect,
		PageRows: 100,
		Query:    "SELECT id, name FROM products WHERE tenant = $1 AND id % 2 = 0",
	}
	odd := cfg
	odd.Query = "SELECT id, name FROM products WHERE tenant = $1 AND id % 2 = 1"
	for _, test := range []struct{ connections, readers int }{{3, 1}, {3, 4}, {4, 4}, {5, 8}} {
		db := d.open(t)
		db.SetMaxOpenConns(test.connections)
		jobs, err := jobsql.New(t.Context(), db, &jobsql.Config{Dialect: jobsql.PostgreSQL})
		if err != nil {
			t.Fatal(err)
		}
		index := watched{reindextest.NewMemory(), ownConnection(db)}
		engine, err := reindex.New(
			source.Concat(newSource(t, db, cfg), newSource(t, db, odd)),
			index,
			&reindex.Config{Jobs: jobs, Readers: test.readers},
		)
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithTimeout(t.Context(), patience)
		report, err := engine.Run(ctx, "shop")
		cancel()
		if err != nil || report.Indexed != total {
			t.Errorf("%d connections, %d readers: indexed %d products, error %v, want %d",
				test.connections, test.readers, report.Indexed, err, total)
		}
		if n := db.Stats().InUse; n != 0 {
			t.Errorf("%d connections are in use after the run, want none", n)
		}
	}
	testNoRoom(t, d, cfg)
	testPartsTakeTurns(t, d, cfg, total/2)
	testFindBesideSnapshot(t, d, cfg)
	testStartOver(t, d)
}

// Find works while a snapshot is open, unless the snapshot holds the only connection of the pool.
func testFindBesideSnapshot(t *testing.T, d database, cfg sqlsource.Config) {
	t.Helper()
	db := d.open(t)
	src := newSource(t, db, cfg)
	for connections, want := range map[int]error{1: sqlsource.ErrNoRoom, 2: nil} {
		db.SetMaxOpenConns(connections)
		snap, err := src.Open(t.Context(), "shop")
		if err != nil {
			t.Fatal(err)
		}
		for p, err := range src.Find(t.Context(), "shop", "2") {
			if !errors.Is(err, want) {
				t.Errorf("%d connections: got product %q, error %v, want error %v", connections, p.ID, err, want)
			}
		}
		if err := snap.Close(); err != nil {
			t.Error(err)
		}
	}
}

// A snapshot whose parts were abandoned is read again as a whole. The engine does so because of the duplicate.
func testStartOver(t *testing.T, d database) {
	t.Helper()
	db := d.open(t)
	exec(
		t,
		db,
		"CREATE TABLE again AS SELECT n, CASE n WHEN 4990 THEN 10 ELSE n END AS id FROM generate_series(1, 5000) AS s(n)",
	)
	src := newSource(
		t,
		db,
		sqlsource.Config{Dialect: d.dialect, Key: "n", PageRows: 100, Query: "SELECT * FROM again WHERE $1 = 'shop'"},
	)
	engine, err := reindex.New(src, reindextest.NewMemory(), &reindex.Config{Readers: 3, MaxDuplicates: 1})
	if err != nil {
		t.Fatal(err)
	}
	report, err := engine.Run(t.Context(), "shop")
	if err != nil || report.Indexed != 4999 || report.Duplicates != 1 {
		t.Errorf("got %d products and %d duplicates, error %v, want 4999 and 1", report.Indexed, report.Duplicates, err)
	}
}

// A pool that is too small leads to ErrNoRoom, and not to a deadlock.
func testNoRoom(t *testing.T, d database, cfg sqlsource.Config) {
	t.Helper()
	db := d.open(t)
	db.SetMaxOpenConns(2)
	src := newSource(t, db, cfg)
	if _, err := source.Concat(src, src).Open(t.Context(), "shop"); !errors.Is(err, sqlsource.ErrNoRoom) {
		t.Errorf("two snapshots of a pool of two: got %v, want ErrNoRoom", err)
	}
	snap := openShop(t, src).(reindex.Splitter)
	_, err := snap.Split(t.Context(), 2)
	if !errors.Is(err, sqlsource.ErrNoRoom) || !errors.Is(err, errors.ErrUnsupported) {
		t.Errorf("parts of a pool of two: got %v, want ErrNoRoom and ErrUnsupported", err)
	}
	names, _ := parts(t, openShop(t, newSource(t, d.open(t), cfg)), 2)
	for _, err := range snap.Part(t.Context(), names[0]) { // the name comes from another process
		if !errors.Is(err, sqlsource.ErrNoRoom) {
			t.Errorf("a part of a pool of two: got %v, want ErrNoRoom", err)
		}
	}
	if n := db.Stats().InUse; n != 1 {
		t.Errorf("%d connections are in use, want 1", n)
	}
}

// A part waits for a free connection until its context ends.
func testPartsTakeTurns(t *testing.T, d database, cfg sqlsource.Config, want int) {
	t.Helper()
	db := d.open(t)
	db.SetMaxOpenConns(3)
	snap := openShop(t, newSource(t, db, cfg))
	names, seqs := parts(t, snap, 8)
	if len(names) != 8 {
		t.Fatalf("got %d parts, want 8", len(names))
	}
	var (
		mu   sync.Mutex
		read int
		all  sync.WaitGroup
	)
	for _, seq := range seqs {
		all.Go(func() {
			for _, err := range seq {
				if err != nil {
					t.Error(err)
					return
				}
				mu.Lock()
				if read++; read%100 == 0 && db.Stats().InUse > 2 {
					t.Errorf("%d connections are in use, want at most 2", db.Stats().InUse)
				}
				mu.Unlock()
			}
		})
	}
	all.Wait()
	if read != want {
		t.Errorf("read %d products, want %d", read, want)
	}
	for range seqs[0] { // takes the only free connection
		ctx, cancel := context.WithCancel(t.Context())
		time.AfterFunc(10*time.Millisecond, cancel)
		for _, err := range snap.(reindex.Splitter).Part(ctx, names[1]) {
			if !errors.Is(err, context.Canceled) {
				t.Errorf("a part that waits for a connection: got %v, want context.Canceled", err)
			}
		}
		cancel()
		break
	}
}
