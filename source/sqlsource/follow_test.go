package sqlsource_test

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/stdlib"

	"productindex/reindex"
	"productindex/source/sqlsource"
)

func testFollow(t *testing.T, d database) {
	t.Run("Order", func(t *testing.T) { testFollowOrder(t, d) })
	t.Run("Tenants", func(t *testing.T) { testFollowTenants(t, d) })
	t.Run("Refused", func(t *testing.T) { testFollowRefused(t, d) })
	t.Run("Names", func(t *testing.T) { testFollowNames(t, d) })
	t.Run("Mistakes", func(t *testing.T) { testFollowMistakes(t, d) })
	t.Run("Batches", func(t *testing.T) { testFollowBatches(t, d) })
	t.Run("Engine", func(t *testing.T) { testFollowEngine(t, d) })
	t.Run("Ends", func(t *testing.T) { testFollowEnds(t, d) })
}

// Changes come in the order of the sequence, and their rows are deleted. A row is not lost if it becomes visible after
// rows with higher sequences.
func testFollowOrder(t *testing.T, d database) {
	db, o := outbox(t, d, "changes_order")
	o.Body = "body"
	exec(t, db,
		`INSERT INTO changes_order VALUES (7, 'acme', 'b', false, '{"n":1}'), (5, 'acme', 'a', false, NULL),
			(9, 'acme', 'b', true, 'no matter')`)
	var between atomic.Bool
	f := follow(t, db, o, func(string, []reindex.Change) error {
		if between.CompareAndSwap(true, false) {
			exec(t, db, "INSERT INTO changes_order VALUES (1, 'acme', 'earlier', false, NULL)")
		}
		return nil
	})
	await(t, func() string { return f.ids("acme") }, `a b{"n":1} -b`)
	await(t, left(t, db, "changes_order"), "")
	between.Store(true) // a row is committed after others were read, and before these are deleted
	exec(t, db, "INSERT INTO changes_order VALUES (3, 'acme', 'late', NULL, NULL)")
	await(t, func() string { return f.ids("acme") }, `a b{"n":1} -b late earlier`)
	await(t, left(t, db, "changes_order"), "")
	if d.dialect == sqlsource.SQLite {
		return // only one of its transactions can write at a time
	}
	tx, err := db.BeginTx(t.Context(), nil)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := tx.ExecContext(t.Context(), "INSERT INTO changes_order VALUES (10, 'acme', 'slow', false, NULL)"); err !=
		nil {
		t.Fatal(err)
	}
	exec(t, db, "INSERT INTO changes_order VALUES (11, 'acme', 'quick', false, NULL)")
	await(t, func() string { return f.ids("acme") }, `a b{"n":1} -b late earlier quick`)
	await(t, left(t, db, "changes_order"), "")
	if err := tx.Commit(); err != nil {
		t.Fatal(err)
	}
	await(t, func() string { return f.ids("acme") }, `a b{"n":1} -b late earlier quick slow`)
	await(t, left(t, db, "changes_order"), "")
}

// If the changes of a tenant fail, its rows stay in the outbox, and other tenants do not wait for it.
func testFollowTenants(t *testing.T, d database) {
	db, o := outbox(t, d, "changes_tenants")
	o.BatchRows = 2
	exec(t, db, "INSERT INTO changes_tenants VALUES (1, 'broken', 'a', false, NULL), (2, 'broken', 'b', false, "+
		"NULL), (3, 'broken', 'c', false, NULL), (4, 'acme', 'x', false, NULL)")
	var healed sync.Map
	f := follow(t, db, o, func(tenant string, _ []reindex.Change) error {
		if _, ok := healed.Load(tenant); !ok && tenant == "broken" {
			return errors.New("the index is away")
		}
		return nil
	})
	await(t, func() string { return f.ids("acme") }, "x")
	await(t, left(t, db, "changes_tenants"), "1 2 3")
	exec(t, db, "INSERT INTO changes_tenants VALUES (5, 'acme', 'y', false, NULL)")
	await(t, func() string { return f.ids("acme") }, "x y")
	healed.Store("broken", true)
	await(t, left(t, db, "changes_tenants"), "")
	if got := f.ids("broken"); got != "a b c" {
		t.Errorf("after the index is back, got %q, want %q", got, "a b c")
	}
}

// A change that can never succeed is reported to Refused, and its row is deleted.
func testFollowRefused(t *testing.T, d database) {
	db, o := outbox(t, d, "changes_refused")
	exec(t, db, "INSERT INTO changes_refused VALUES (1, 'acme', 'good', false, NULL), (2, 'acme', 'bad', false, NULL), "+
		"(3, 'No\nTenant', 'x', false, NULL), (4, NULL, 'y', false, NULL), (5, 'acme', NULL, false, NULL), "+
		"(6, 'large', 'z', false, NULL), (7, 'large', 'ok', false, NULL), (8, 'large', 'z', false, NULL)")
	f := follow(t, db, o, func(tenant string, changes []reindex.Change) error {
		if tenant == "large" && (len(changes) > 1 || changes[0].ID == "z") {
			return fmt.Errorf("all %d: %w", len(changes), reindex.ErrTooManyChanges)
		}
		if i := slices.IndexFunc(changes, func(c reindex.Change) bool { return c.ID == "bad" }); i >= 0 {
			return fmt.Errorf("wrapped: %w",
				&reindex.BatchError{Items: []reindex.ItemError{{ID: "bad", Err: errors.New("no price")}}})
		}
		return nil
	})
	await(t, left(t, db, "changes_refused"), "")
	got := f.refusals()
	for _, want := range []string{"acme/bad: no price", "No\nTenant/x: invalid tenant",
		`/y: row with sequence 4: column "tenant": it is NULL`,
		`acme/: row with sequence 5: column "id": the id is NULL`, "large/z: all 1: too many changes"} {
		if !strings.Contains(got, want) {
			t.Errorf("got the refusals %q, want also %q", got, want)
		}
	}
	if n := strings.Count(got, ";") + 1; n != 6 {
		t.Errorf("got %d refusals, want 6: %s", n, got)
	}
	if got := f.ids("large"); got != "ok" {
		t.Errorf("tenant large: got %q, want %q", got, "ok")
	}
}

// The host may choose names that need quotes. A table may hold the changes of a single tenant.
func testFollowNames(t *testing.T, d database) {
	db := d.open(t)
	exec(t, db, `CREATE TABLE "Shop's ""log""" ("N o" integer PRIMARY KEY, "größe" integer, "select" varchar(10))`,
		`INSERT INTO "Shop's ""log""" VALUES (1, 17, 'f'), (2, 18, '1')`)
	f := follow(t, db, sqlsource.Outbox{
		Dialect: d.dialect, Table: `Shop's "log"`, Sequence: "N o", ID: "größe", Deleted: "select", Tenant: "acme",
		Interval: time.Millisecond,
	}, nil)
	await(t, func() string { return f.ids("acme") }, "17 -18")
	exec(t, db, "CREATE TABLE ids_only (sequence integer PRIMARY KEY, id varchar(10))",
		"INSERT INTO ids_only VALUES (1, 'a')")
	f = follow(t, db,
		sqlsource.Outbox{Dialect: d.dialect, Table: "ids_only", Lookup: true, Tenant: "acme", Interval: time.Millisecond},
		nil)
	await(t, func() string { return f.ids("acme") }, "a")
}

// A mistake in the Outbox or in its table makes Follow return at once, with an error that names it.
func testFollowMistakes(t *testing.T, d database) {
	db, o := outbox(t, d, "changes_mistakes")
	exec(t, db, "CREATE TABLE twice (sequence integer, tenant varchar(10), id varchar(10), deleted boolean)",
		"INSERT INTO twice VALUES (1, 'acme', 'a', false), (1, 'acme', 'b', false), (2, 'acme', 'c', false)",
		"CREATE TABLE nulls (sequence integer, tenant varchar(10), id varchar(10), deleted boolean)",
		"INSERT INTO nulls VALUES (NULL, 'acme', 'a', false)",
		"INSERT INTO changes_mistakes VALUES (1, 'acme', 'a', false, NULL)")
	type settings = sqlsource.Outbox
	for name, test := range map[string]struct {
		change func(o *settings)
		answer error
		want   string
	}{
		"no table": {func(o *settings) { o.Table = "nowhere" }, nil, "nowhere"},
		"no column": {
			func(o *settings) { o.Body = "payload" }, nil,
			`the table changes_mistakes has no column "payload"; its columns are sequence, tenant`,
		},
		"not unique":     {func(o *settings) { o.Table, o.BatchRows = "twice", 1 }, nil, `column "sequence" is not unique`},
		"null":           {func(o *settings) { o.Table = "nulls" }, nil, `column "sequence" is NULL in at least one row`},
		"no table set":   {func(o *settings) { o.Table = "" }, nil, "Outbox.Table is not set"},
		"no dialect":     {func(o *settings) { o.Dialect = "Oracle" }, nil, `Outbox.Dialect is "Oracle"`},
		"two tenants":    {func(o *settings) { o.Tenant, o.TenantColumn = "acme", "tenant" }, nil, "Tenant and TenantColumn"},
		"bad tenant":     {func(o *settings) { o.Tenant = "A\n" }, nil, "Outbox.Tenant"},
		"lookup":         {func(o *settings) { o.Lookup, o.Body = true, "body" }, nil, "Outbox.Lookup"},
		"channel":        {func(o *settings) { o.Channel = "x" }, nil, "WaitForNotification"},
		"negative":       {func(o *settings) { o.BatchRows = -1 }, nil, "Outbox.BatchRows is -1"},
		"no updates":     {func(*settings) {}, errors.ErrUnsupported, "unsupported"},
		"engine is shut": {func(*settings) {}, fmt.Errorf("tenant acme: %w", reindex.ErrShutdown), "shut down"},
	} {
		o := o
		test.change(&o)
		ctx, cancel := context.WithTimeout(t.Context(), patience)
		err := sqlsource.Follow(ctx, db, o, func(context.Context, string, ...reindex.Change) error { return test.answer })
		cancel()
		if err == nil || !strings.Contains(err.Error(), test.want) || !strings.HasPrefix(err.Error(), "sqlsource: ") ||
			test.answer != nil && !errors.Is(err, test.answer) && !errors.Is(err, reindex.ErrShutdown) {
			t.Errorf("%s: got %v, want an error with %q", name, err, test.want)
		}
	}
	if got := left(t, db, "twice")(); got != "1 1 2" {
		t.Errorf("the rows of the table twice are %s, want 1 1 2", got)
	}
	if d.dialect != sqlsource.SQLite {
		narrow := d.open(t)
		narrow.SetMaxOpenConns(1)
		err := sqlsource.Follow(t.Context(), narrow, o, (&receiver{}).update)
		if !errors.Is(err, sqlsource.ErrNoRoom) {
			t.Errorf("a pool of one connection: got %v, want ErrNoRoom", err)
		}
	}
}

// No call has more changes than a batch, and every change comes.
func testFollowBatches(t *testing.T, d database) {
	db, o := outbox(t, d, "changes_batches")
	o.BatchRows, o.BatchBytes, o.Body = 10, 100, "body"
	large := `{"text":"` + strings.Repeat("x", 80) + `"}`
	var want []string
	for i := range 55 {
		body := "NULL"
		if i >= 40 {
			body = "'" + large + "'"
		}
		exec(t, db, fmt.Sprintf("INSERT INTO changes_batches VALUES (%d, 'acme', 'p%02d', false, %s)", i, i, body))
		want = append(want, fmt.Sprintf("p%02d", i)+strings.Trim(strings.ReplaceAll(body, "NULL", ""), "'"))
	}
	f := follow(t, db, o, func(_ string, changes []reindex.Change) error {
		size := 0
		for _, c := range changes {
			size += len(c.ID) + len(c.Body)
		}
		if len(changes) > 10 || size > 100+len(large)+3 {
			t.Errorf("one call has %d changes of %d bytes, want at most 10 of about 100 bytes", len(changes), size)
		}
		return nil
	})
	await(t, func() string { return f.ids("acme") }, strings.Join(want, " "))
	await(t, left(t, db, "changes_batches"), "")
}

// When Follow ends, the rows of applied changes have been deleted, and the other rows are still in the outbox. If a row
// cannot be deleted, its change is applied again.
func testFollowEnds(t *testing.T, d database) {
	db, o := outbox(t, d, "changes_ends")
	exec(t, db, "INSERT INTO changes_ends VALUES (1, 'acme', 'a', false, NULL)")
	var f *following
	started := make(chan struct{})
	f = follow(t, db, o, func(string, []reindex.Change) error {
		<-started
		f.cancel()
		return nil
	})
	close(started)
	await(t, func() string { return f.ids("acme") }, "a")
	f.stop(t)
	if got := left(t, db, "changes_ends")(); got != "" {
		t.Errorf("the rows %s are left, want none of applied changes", got)
	}
	exec(t, db, "INSERT INTO changes_ends VALUES (2, 'acme', 'b', false, NULL)")
	f = follow(t, db, o, func(string, []reindex.Change) error { return context.Canceled })
	await(t, func() string {
		f.mu.Lock()
		defer f.mu.Unlock()
		return fmt.Sprint(f.calls > 1)
	}, "true")
	f.stop(t)
	if got := left(t, db, "changes_ends")(); got != "2" {
		t.Errorf("after a change failed, the outbox has the rows %q, want 2", got)
	}
	if d.dialect != sqlsource.SQLite {
		return
	}
	exec(t, db, "CREATE TRIGGER keep BEFORE DELETE ON changes_ends BEGIN SELECT RAISE(ABORT, 'the disk is full'); END")
	f = follow(t, db, o, nil)
	await(t, func() string { return fmt.Sprint(len(f.ids("acme")) > 2) }, "true")
	exec(t, db, "DROP TRIGGER keep")
	await(t, left(t, db, "changes_ends"), "")
}

// Only one Follow reads an outbox at a time, also among several processes. A lost connection loses no change.
func testFollowOne(t *testing.T, d database, kill func(tb testing.TB, admin *sql.DB)) {
	db, o := outbox(t, d, "changes_one")
	first := follow(t, db, o, nil)
	exec(t, db, "INSERT INTO changes_one VALUES (1, 'acme', 'a', false, NULL)")
	await(t, func() string { return first.ids("acme") }, "a")
	second := follow(t, d.open(t), o, nil)
	for i := range 20 {
		exec(t, db, fmt.Sprintf("INSERT INTO changes_one VALUES (%d, 'acme', 'b', false, NULL)", i+2))
		await(t, left(t, db, "changes_one"), "")
	}
	if got := second.ids("acme"); got != "" {
		t.Errorf("the second Follow got %s while the first one runs, want nothing", got)
	}
	first.stop(t)
	exec(t, db, "INSERT INTO changes_one VALUES (30, 'acme', 'c', false, NULL)")
	await(t, func() string { return second.ids("acme") }, "c")
	await(t, left(t, db, "changes_one"), "")
	kill(t, d.open(t))
	exec(t, d.open(t), "INSERT INTO changes_one VALUES (31, 'acme', 'd', false, NULL)")
	await(t, func() string { return second.ids("acme") }, "c d")
}

// A notification wakes Follow before its interval has passed, also after a lost connection.
func testFollowNotifications(t *testing.T, d database) {
	db, o := outbox(t, d, "changes_notified")
	o.Interval, o.Channel = time.Hour, `the "channel"`
	o.WaitForNotification = func(ctx context.Context, conn any) error {
		_, err := conn.(*stdlib.Conn).Conn().WaitForNotification(ctx)
		return err
	}
	exec(t, db, "INSERT INTO changes_notified VALUES (1, 'acme', 'a', false, NULL)")
	f := follow(t, db, o, nil)
	await(t, func() string { return f.ids("acme") }, "a")
	want := "a"
	for i := range 30 {
		exec(t, db, fmt.Sprintf("INSERT INTO changes_notified VALUES (%d, 'acme', 'b%d', true, NULL)", i+2, i),
			`NOTIFY "the ""channel"""`)
		want += fmt.Sprintf(" -b%d", i)
		if i%10 == 9 {
			await(t, func() string { return f.ids("acme") }, want)
		}
	}
	exec(t, db, "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE query LIKE 'SELECT%' AND pid <> "+
		"pg_backend_pid() AND state = 'idle'")
	exec(t, db, "INSERT INTO changes_notified VALUES (90, 'acme', 'after', false, NULL)", `NOTIFY "the ""channel"""`)
	await(t, func() string { return f.ids("acme") }, want+" after")
}

// With Lookup, the engine reads the changed products from the source, and deletes those that it does not find.
func testFollowEngine(t *testing.T, d database) {
	db, o := outbox(t, d, "changes_engine")
	o.Lookup = true
	exec(t, db, "CREATE TABLE engine_products (id varchar(10) PRIMARY KEY, name varchar(20))",
		"INSERT INTO engine_products VALUES ('a', 'one'), ('b', 'two')")
	src := newSource(t, db, sqlsource.Config{
		Dialect: d.dialect, Query: "SELECT id, name FROM engine_products", Args: func(string) []any { return nil },
	})
	engine, index := newEngine(t, src)
	if _, err := engine.Run(t.Context(), "acme"); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- sqlsource.Follow(ctx, db, o, engine.Update) }()
	exec(t, db, "UPDATE engine_products SET name = 'new' WHERE id = 'a'",
		"INSERT INTO changes_engine VALUES (1, 'acme', 'a', false, NULL)", "DELETE FROM engine_products WHERE id = 'b'",
		"INSERT INTO changes_engine VALUES (2, 'acme', 'b', false, NULL)")
	await(t, left(t, db, "changes_engine"), "")
	documents, err := json.Marshal(index.Documents("acme"))
	if err != nil || string(documents) != `{"a":{"id":"a","name":"new"}}` {
		t.Errorf("the index has %s, error %v, want only the new product a", documents, err)
	}
	cancel()
	if err := <-ended; err != nil {
		t.Error(err)
	}
}
