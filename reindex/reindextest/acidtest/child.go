package acidtest

import (
	"bufio"
	"bytes"
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"time"

	"productindex/reindex"
	"productindex/reindex/jobsql"
	"productindex/source/sqlsource"
)

const (
	childDir = "ACIDTEST_DIR"
	done     = "done"

	// lease is the time for which a killed process delays the next one.
	lease = 2 * time.Second
	// interval is the time between two checks of a condition.
	interval = 10 * time.Millisecond
	// childLimit is the time after which a process ends that has outlived its test.
	childLimit = time.Hour
)

// Child runs the process of the engine if [Run] started the program for this purpose, and then does not return.
// Otherwise it does nothing. open opens the index of a scenario, whose folder is dir.
func Child(open func(ctx context.Context, dir string) (Index, error)) {
	dir := os.Getenv(childDir)
	if dir == "" {
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), childLimit)
	defer cancel()
	if err := serve(ctx, dir, open); err != nil {
		fmt.Fprintln(os.Stderr, "the engine's process:", err)
		os.Exit(1) //nolint:gocritic // the deferred cancel is not needed
	}
	os.Exit(0)
}

// child is the engine's process.
type child struct {
	shop   *sql.DB
	index  Index
	engine *reindex.Engine
}

// serve executes one command per line of its input, until the input ends, and answers each with a line.
func serve(ctx context.Context, dir string, open func(ctx context.Context, dir string) (Index, error)) error {
	c := child{}
	var err error
	if c.shop, err = sql.Open("sqlite", shopName(dir)); err != nil {
		return err
	}
	if c.index, err = open(ctx, dir); err != nil {
		return err
	}
	if c.engine, err = newEngine(ctx, dir, c.shop, c.index.Indexer); err != nil {
		return err
	}
	followed := make(chan error, 1)
	go func() {
		followed <- sqlsource.Follow(ctx, c.shop, sqlsource.Outbox{
			Dialect: sqlsource.SQLite, Table: "product_changes", Body: "body", Interval: interval,
		}, c.engine.Update)
	}()
	go func() {
		if err := <-followed; err != nil {
			fmt.Fprintln(os.Stderr, "following the outbox:", err)
			os.Exit(1)
		}
	}()
	for lines := bufio.NewScanner(os.Stdin); lines.Scan(); {
		err := c.do(ctx, lines.Text())
		answer := done
		if err != nil {
			answer = string(bytes.ReplaceAll([]byte(err.Error()), []byte("\n"), []byte("; ")))
		}
		fmt.Fprintln(os.Stdout, answer)
	}
	return nil
}

func newEngine(ctx context.Context, dir string, shop *sql.DB, index reindex.Indexer) (*reindex.Engine, error) {
	db, err := sql.Open("sqlite", "file:"+filepath.Join(dir, "jobs.db")+
		"?_pragma=journal_mode(WAL)&_pragma=busy_timeout(30000)&_pragma=synchronous(OFF)")
	if err != nil {
		return nil, err
	}
	jobs, err := jobsql.New(ctx, db, &jobsql.Config{Dialect: jobsql.SQLite, Lease: lease})
	if err != nil {
		return nil, err
	}
	changes, err := jobs.Changes(nil)
	if err != nil {
		return nil, err
	}
	src, err := sqlsource.New(shop, sqlsource.Config{
		Dialect: sqlsource.SQLite, Query: "SELECT id, body FROM products WHERE tenant = ?", Body: "body", PageRows: 500,
	})
	if err != nil {
		return nil, err
	}
	return reindex.New(src, index, &reindex.Config{Jobs: jobs, Changes: changes, MinFraction: -1, BatchDocs: 200})
}

func (c child) do(ctx context.Context, command string) error {
	switch command {
	case "run":
		return c.run(ctx)
	case "rollback":
		return c.rollback(ctx)
	case "check":
		return c.check(ctx)
	}
	return fmt.Errorf("unknown command %q", command)
}

// every calls f at intervals until it reports that it is done, or fails.
func every(ctx context.Context, f func() (done bool, err error)) error {
	ticker := time.NewTicker(interval)
	defer ticker.Stop()
	for {
		if done, err := f(); done || err != nil {
			return err
		}
		select {
		case <-ticker.C:
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}

func (c child) run(ctx context.Context) error { return c.soon(ctx, c.engine.Run) }

// rollback rolls back to the last replaced generation, if there is one. If a process was killed right after a
// switch-over, the log may not know which changes the replaced generation lacks. Then the rollback is refused, which is
// not an error here.
func (c child) rollback(ctx context.Context) error {
	err := c.soon(ctx, c.engine.Rollback)
	gate, isGate := errors.AsType[*reindex.GateError](err)
	if errors.Is(err, errors.ErrUnsupported) || errors.Is(err, reindex.ErrNoPrevious) ||
		isGate && gate.Rule == reindex.RuleCurrent {
		return nil
	}
	return err
}

// soon calls run until it is not refused. The job of a killed process prevents a run until its lease has run out. A run
// that loses its lease because the machine is slow is repeated, even if it may have gone live.
func (c child) soon(ctx context.Context, run func(context.Context, string) (reindex.Report, error)) error {
	return every(ctx, func() (bool, error) {
		_, err := run(ctx, Tenant)
		late := errors.Is(err, reindex.ErrLeaseLost) || errors.Is(err, reindex.ErrClaimLost)
		if late || errors.Is(err, reindex.ErrRunning) {
			return false, nil
		}
		return true, err
	})
}

// check waits until every change is searchable, and then compares the index with the shop. Nothing may change in the
// shop meanwhile.
func (c child) check(ctx context.Context) error {
	err := every(ctx, func() (bool, error) {
		var n int
		err := c.shop.QueryRowContext(ctx, "SELECT COUNT(*) FROM product_changes").Scan(&n)
		return n == 0, err
	})
	if err != nil {
		return err
	}
	if err := c.engine.Settle(ctx, Tenant); err != nil {
		return err
	}
	want, err := c.products(ctx)
	if err != nil {
		return err
	}
	found, err := c.index.Bodies(ctx)
	if err != nil {
		return err
	}
	return compare(found, want)
}

func (c child) products(ctx context.Context) (products map[string]string, err error) {
	rows, err := c.shop.QueryContext(ctx, "SELECT id, body FROM products")
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, rows.Close()) }()
	products = map[string]string{}
	for rows.Next() {
		var id, body string
		if err := rows.Scan(&id, &body); err != nil {
			return nil, err
		}
		products[id] = body
	}
	return products, rows.Err()
}

// compare returns an error that describes how the index differs from the shop, or nil.
func compare(found, want map[string]string) error {
	var differences []string
	differ := func(format string, args ...any) { differences = append(differences, fmt.Sprintf(format, args...)) }
	for id, body := range want {
		switch is, ok := found[id]; {
		case !ok:
			differ("product %s is missing", id)
		case !same(is, body):
			differ("product %s is %s in the index, and %s in the shop", id, is, body)
		}
	}
	for id := range found {
		if _, ok := want[id]; !ok {
			differ("product %s is in the index, but deleted in the shop", id)
		}
	}
	if len(differences) == 0 {
		return nil
	}
	return fmt.Errorf("%d differences among %d products: %v", len(differences), len(want),
		differences[:min(5, len(differences))])
}

// same reports whether two texts are the same JSON value.
func same(a, b string) bool {
	if a == b {
		return true
	}
	var left, right any
	return json.Unmarshal([]byte(a), &left) == nil && json.Unmarshal([]byte(b), &right) == nil &&
		reflect.DeepEqual(left, right)
}
