package jobsql

import (
	"context"
	"slices"
	"testing"
	"time"

	"productindex/reindex"
)

// A store can have leases that are longer than any timeout of a server.
func testEndlessLease(t *testing.T, d database) {
	changes, err := d.store(t, Config{Lease: 100 * 365 * 24 * time.Hour}).Changes(nil)
	if err != nil {
		t.Fatal(err)
	}
	last, err := changes.Append(t.Context(), "acme", []reindex.Change{{ID: "1", Delete: true}})
	if last != 1 || err != nil {
		t.Errorf("the first change is at %d, error %v", last, err)
	}
}

// A process that is stopped in the middle of a transaction delays the others until the server frees its lock. When it
// continues, it begins again and sees the data that the others have stored.
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
		t.Errorf("while another process is stopped: %v", err)
	}
	if err := <-ended; err != nil || !slices.Equal(heads, []int64{0, 1}) {
		t.Errorf("the process that was stopped has seen the heads %v, error %v; want 0, and 1 when it goes on", heads, err)
	}
}
