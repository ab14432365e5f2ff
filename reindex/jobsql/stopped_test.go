package jobsql

import (
	"context"
	"slices"
	"testing"
	"time"

	"productindex/reindex"
)

// A lease may be longer than the longest timeout that a server accepts.
func testEndlessLease(t *testing.T, d database) {
	changes, err := d.store(t, Config{Lease: 100 * 365 * 24 * time.Hour}).Changes(nil)
	if err != nil {
		t.Fatal(err)
	}
	last, err := changes.Append(t.Context(), "acme", []reindex.Change{{ID: "1", Delete: true}})
	if last != 1 || err != nil {
		t.Errorf("the first change has position %d, error %v, want 1", last, err)
	}
}

// A process that is stopped in the middle of a transaction delays other processes until the server frees its lock. When
// it continues, it begins the transaction again and sees what the others have stored.
func testStoppedInATransaction(t *testing.T, d database) {
	const lease = time.Second
	open := func() *Changes {
		changes, err := d.store(t, Config{Lease: lease}).Changes(nil)
		if err != nil {
			t.Fatal(err)
		}
		return changes
	}
	stopped, other := open(), open()
	locked, goOn, ended := make(chan struct{}), make(chan struct{}), make(chan error, 1)
	var heads []int64
	go func() {
		ended <- stopped.store.transact(t.Context(), func(tx session) error {
			row, err := stopped.locked(t.Context(), tx, "acme")
			if heads = append(heads, row.head); len(heads) == 1 {
				close(locked)
				<-goOn
			}
			return err
		})
	}()
	<-locked
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	_, err := other.Append(ctx, "acme", []reindex.Change{{ID: "1", Delete: true}})
	close(goOn)
	if err != nil {
		t.Errorf("appending a change while another process is stopped: %v", err)
	}
	if err := <-ended; err != nil || !slices.Equal(heads, []int64{0, 1}) {
		t.Errorf("the process that was stopped has seen the heads %v, error %v, want 0 and then 1", heads, err)
	}
}
