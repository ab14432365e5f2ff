package sqlsource_test

import (
	"context"
	"database/sql"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"productindex/reindex"
	"productindex/source/sqlsource"
)

// patience is the longest time that a test waits for a condition.
const patience = 3 * time.Minute

// receiver records the changes that it accepts, and the refusals.
type receiver struct {
	mu      sync.Mutex
	got     map[string][]reindex.Change
	calls   int
	refused []string
	answer  func(tenant string, changes []reindex.Change) error
}

func (r *receiver) update(_ context.Context, tenant string, changes ...reindex.Change) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.calls++
	if r.answer != nil {
		if err := r.answer(tenant, changes); err != nil {
			return err
		}
	}
	if r.got == nil {
		r.got = map[string][]reindex.Change{}
	}
	r.got[tenant] = append(r.got[tenant], changes...)
	return nil
}

func (r *receiver) refuse(_ context.Context, tenant string, item reindex.ItemError) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.refused = append(r.refused, fmt.Sprintf("%s/%s: %v", tenant, item.ID, item.Err))
}

// ids returns the changes of a tenant: each as its id, with a - before a deletion and the body after an upsert.
func (r *receiver) ids(tenant string) string {
	r.mu.Lock()
	defer r.mu.Unlock()
	var texts []string
	for _, c := range r.got[tenant] {
		text := c.ID
		if c.Delete {
			text = "-" + text
		}
		if c.Body != nil {
			text += string(c.Body)
		}
		texts = append(texts, text)
	}
	return strings.Join(texts, " ")
}

func (r *receiver) refusals() string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return strings.Join(slices.Sorted(slices.Values(r.refused)), "; ")
}

// outbox creates an outbox table and returns its settings, with short intervals.
func outbox(t *testing.T, d database, table string) (*sql.DB, sqlsource.Outbox) {
	t.Helper()
	db := d.open(t)
	exec(t, db, "DROP TABLE IF EXISTS "+table,
		"CREATE TABLE "+table+
			" (sequence bigint PRIMARY KEY, tenant varchar(100), id varchar(100), deleted boolean, body "+d.text+")")
	return db, sqlsource.Outbox{
		Dialect: d.dialect, Table: table, Interval: time.Millisecond, MaxDelay: 20 * time.Millisecond,
	}
}

// following is a running Follow.
type following struct {
	*receiver

	cancel context.CancelFunc
	ended  chan error
}

func follow(t *testing.T, db *sql.DB, o sqlsource.Outbox, answer func(string, []reindex.Change) error) *following {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	f := &following{&receiver{answer: answer}, cancel, make(chan error, 1)}
	o.Refused = f.refuse
	go func() { f.ended <- sqlsource.Follow(ctx, db, o, f.update) }()
	t.Cleanup(func() { f.stop(t) })
	return f
}

// stop ends the Follow. It may be called again.
func (f *following) stop(t *testing.T) {
	t.Helper()
	f.cancel()
	if err := <-f.ended; err != nil {
		t.Errorf("Follow returned %v, want nil", err)
	}
	f.ended <- nil
}

// await waits until what returns want.
func await(t *testing.T, what func() string, want string) {
	t.Helper()
	ticker, over := time.NewTicker(2*time.Millisecond), time.After(patience)
	defer ticker.Stop()
	for {
		got := what()
		if got == want {
			return
		}
		select {
		case <-ticker.C:
		case <-over:
			t.Fatalf("got\n%s\nwant\n%s", got, want)
		}
	}
}

// left returns a function that returns the sequences of the rows in a table.
func left(t *testing.T, db *sql.DB, table string) func() string {
	return func() string {
		rows, err := db.QueryContext(context.Background(), "SELECT sequence FROM "+table+" ORDER BY sequence")
		if err != nil {
			t.Fatal(err)
		}
		defer rows.Close()
		var texts []string
		for rows.Next() {
			var n int
			if err := rows.Scan(&n); err != nil {
				t.Fatal(err)
			}
			texts = append(texts, fmt.Sprint(n))
		}
		if err := rows.Err(); err != nil {
			t.Fatal(err)
		}
		return strings.Join(texts, " ")
	}
}
