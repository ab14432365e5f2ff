package sqlsource

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"time"

	"golang.org/x/sync/errgroup"

	"productindex/reindex"
)

// UpdateFunc takes changes of a tenant's products, as [reindex.Engine.Update] does. A nil error, or a
// [*reindex.BatchError] without items that can be tried again, means that it has taken them.
type UpdateFunc func(ctx context.Context, tenant string, changes ...reindex.Change) error

// Follow reads the changes in an outbox and gives them to update, in the order of the sequence, until ctx ends. It then
// returns nil.
//
// Each change is given to update at least once. A row is deleted once update has taken it. Only rows that were read are
// deleted, so a row that becomes visible late, with a lower sequence than others, is not lost. Changes of one product
// keep their order if each transaction writes the product before the row. Changes that update refuses, and rows that
// are not changes, are reported (Outbox.Refused) and deleted; others do not wait for them. After any other error of
// update the tenant's rows stay and are tried again after a while, and other tenants go on.
//
// On PostgreSQL and MySQL one Follow at a time follows an outbox, whichever process it is in: the others wait until it
// ends. It holds a connection as long as it runs, which counts like one of a [Source] (see [ErrNoRoom]). Its lock
// belongs to the session, so a pooler has to keep sessions. On SQLite the host has to make sure that there is only one
// Follow.
//
// Follow returns an error of the outbox, such as a missing table or column, and an error of update that matches
// [errors.ErrUnsupported] or [reindex.ErrShutdown], since neither passes. It logs lost connections and other errors of
// the database, and goes on.
func Follow(ctx context.Context, db *sql.DB, outbox Outbox, update UpdateFunc) error {
	o := outbox.withDefaults()
	if err := o.validate(); err != nil {
		return err
	}
	if o.Dialect != SQLite && db.Stats().MaxOpenConnections == 1 {
		return fmt.Errorf("sqlsource: following %s: %w: it opens at most one, which Follow would hold; raise SetMaxOpenConns",
			o.Table, ErrNoRoom)
	}
	f := &follower{outbox: o, db: db, update: update, waits: map[string]*wait{}}
	var failed wait
	for ctx.Err() == nil {
		err := f.attend(ctx, func() { failed = wait{} })
		fatal, isFatal := errors.AsType[*fatalError](err)
		switch {
		case isFatal:
			return fmt.Errorf("sqlsource: following %s: %w", o.Table, fatal.error)
		case ctx.Err() != nil: // the reason why it ended
		case errors.Is(err, errOther):
			o.Logger.DebugContext(ctx, "sqlsource: the outbox is followed by another process", "table", o.Table)
			failed.until = time.Now().Add(o.Interval)
		default:
			failed.longer(o.MaxDelay)
			o.Logger.WarnContext(ctx, "sqlsource: the outbox cannot be followed, trying again",
				"table", o.Table, "error", err, "again", failed.until)
		}
		pause(ctx, time.Until(failed.until))
	}
	return nil
}

// fatalError ends Follow.
type fatalError struct{ error }

// follower is one call of Follow.
type follower struct {
	outbox Outbox
	db     *sql.DB
	update UpdateFunc
	row    *outboxRow       // nil until the table was looked at
	waits  map[string]*wait // of the tenants whose changes were not taken
}

// wait is the time until something that failed is tried again.
type wait struct {
	failures int
	until    time.Time
}

const (
	firstDelay = 200 * time.Millisecond
	// maxWaits is the largest number of tenants that are left out of a read.
	maxWaits = 1000
)

// longer notes another failure.
func (w *wait) longer(most time.Duration) {
	delay := most
	if w.failures < 32 {
		delay = min(most, firstDelay<<w.failures)
	}
	w.failures++
	w.until = time.Now().Add(delay/2 + rand.N(delay/2+1)) //nolint:gosec // a wait need not be unpredictable
}

// pause waits for a while, or for the end of ctx.
func pause(ctx context.Context, d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
	}
}

// attend follows the outbox over one connection until something fails. It calls well each time that nothing has.
func (f *follower) attend(ctx context.Context, well func()) error {
	link, err := f.connect(ctx)
	if err != nil {
		return err
	}
	defer link.end()
	if err := f.prepare(ctx, link); err != nil {
		return err
	}
	for ctx.Err() == nil {
		more, err := f.round(ctx, link)
		if err != nil {
			return err
		}
		well()
		if more {
			continue
		}
		if err := link.wait(ctx, f.outbox, f.idle()); err != nil {
			return err
		}
	}
	return ctx.Err()
}

// prepare checks the table. An error of the table is fatal the first time, if the database answers otherwise. Later it
// can come from a failover, and pass.
func (f *follower) prepare(ctx context.Context, link *outboxLink) error {
	first := f.row == nil
	err := f.check(ctx, link)
	if err == nil || !first {
		return err
	}
	var alive int
	if link.QueryRowContext(ctx, "SELECT 1").Scan(&alive) != nil {
		return err
	}
	return &fatalError{err}
}

func (f *follower) check(ctx context.Context, link *outboxLink) error {
	rows, err := link.QueryContext(ctx, f.outbox.describeSQL())
	if err != nil {
		return fmt.Errorf("looking at the table %s: %w", f.outbox.Table, err)
	}
	defer rows.Close()
	types, err := rows.ColumnTypes()
	if err == nil {
		var row *outboxRow
		if row, err = newOutboxRow(f.outbox, types); err == nil {
			f.row = row
		}
	}
	if err != nil {
		return err
	}
	if err := errors.Join(rows.Err(), rows.Close()); err != nil {
		return err
	}
	if f.outbox.Dialect != SQLite { // where it would wait for other writers
		if _, err := link.ExecContext(ctx, "DELETE FROM "+f.outbox.table()+" WHERE 1 = 0"); err != nil {
			return fmt.Errorf("asking if rows of the table %s can be deleted: %w", f.outbox.Table, err)
		}
	}
	return f.checkOrder(ctx, link)
}

// checkOrder looks for rows that would never be read.
func (f *follower) checkOrder(ctx context.Context, link *outboxLink) error {
	var one int
	err := link.QueryRowContext(ctx, f.outbox.unorderedSQL()).Scan(&one)
	switch {
	case errors.Is(err, sql.ErrNoRows):
		return nil
	case err != nil:
		return fmt.Errorf("looking for rows without a value of %s: %w", f.outbox.Sequence, err)
	}
	return &fatalError{fmt.Errorf("column %q is NULL in some row: it must have a value in each", f.outbox.Sequence)}
}

// round reads rows, hands them on and deletes those that were taken. It reports whether there can be more.
func (f *follower) round(ctx context.Context, link *outboxLink) (more bool, err error) {
	without := f.waiting()
	if len(without) >= maxWaits || f.outbox.Tenant != "" && len(without) > 0 {
		return false, nil
	}
	entries, more, err := f.row.read(ctx, link, without)
	if err != nil {
		return false, fmt.Errorf("reading rows: %w", err)
	}
	if len(entries) == 0 {
		return false, f.checkOrder(ctx, link)
	}
	taken, fatal := f.handOn(ctx, entries)
	if err := link.remove(ctx, f.outbox, taken); err != nil {
		return false, err
	}
	return more, fatal
}

// waiting returns the tenants that are not tried for a while, and forgets those of long ago.
func (f *follower) waiting() []string {
	now := time.Now()
	maps.DeleteFunc(f.waits, func(_ string, w *wait) bool { return now.Sub(w.until) > 10*f.outbox.MaxDelay })
	var tenants []string
	for tenant, w := range f.waits {
		if w.until.After(now) {
			tenants = append(tenants, tenant)
		}
	}
	slices.Sort(tenants)
	return tenants
}

// idle returns how long there is nothing to do unless rows come.
func (f *follower) idle() time.Duration {
	d := f.outbox.Interval
	for _, w := range f.waits {
		if left := time.Until(w.until); left > 0 {
			d = min(d, left)
		}
	}
	return d
}

// handOn hands the changes of each tenant on, and returns the sequences of the rows that were taken.
func (f *follower) handOn(ctx context.Context, entries []entry) (taken []int64, fatal error) {
	var tenants []string
	byTenant := map[string][]entry{}
	for _, e := range entries {
		if e.bad != nil {
			f.refuse(ctx, e.tenant, reindex.ItemError{ID: e.change.ID, Err: e.bad})
			taken = append(taken, e.sequence)
			continue
		}
		if byTenant[e.tenant] == nil {
			tenants = append(tenants, e.tenant)
		}
		byTenant[e.tenant] = append(byTenant[e.tenant], e)
	}
	failures := make([]error, len(tenants))
	var group errgroup.Group
	group.SetLimit(f.outbox.Workers)
	for i, tenant := range tenants {
		group.Go(func() error {
			failures[i] = f.deliver(ctx, tenant, changesOf(byTenant[tenant]))
			return nil
		})
	}
	_ = group.Wait() // the errors are in failures
	for i, tenant := range tenants {
		if failures[i] == nil {
			delete(f.waits, tenant)
			for _, e := range byTenant[tenant] {
				taken = append(taken, e.sequence)
			}
			continue
		}
		if errors.As(failures[i], new(*fatalError)) {
			fatal = failures[i]
		}
		f.leave(ctx, tenant, failures[i])
	}
	return taken, fatal
}

func changesOf(entries []entry) []reindex.Change {
	changes := make([]reindex.Change, len(entries))
	for i, e := range entries {
		changes[i] = e.change
	}
	return changes
}

// leave makes a tenant wait for a while.
func (f *follower) leave(ctx context.Context, tenant string, why error) {
	w := f.waits[tenant]
	if w == nil {
		w = &wait{}
		f.waits[tenant] = w
	}
	w.longer(f.outbox.MaxDelay)
	if ctx.Err() == nil {
		f.outbox.Logger.WarnContext(ctx, "sqlsource: changes were not taken, trying again",
			"tenant", tenant, "error", why, "again", w.until)
	}
}

// deliver hands a tenant's changes on until they are taken or refused. An error means that some were not.
func (f *follower) deliver(ctx context.Context, tenant string, changes []reindex.Change) error {
	if err := reindex.CheckTenant(tenant); err != nil {
		f.refuseAll(ctx, tenant, changes, err)
		return nil
	}
	err := f.update(ctx, tenant, changes...)
	batch, isBatch := errors.AsType[*reindex.BatchError](err)
	switch {
	case isBatch:
		if slices.ContainsFunc(batch.Items, func(item reindex.ItemError) bool { return item.Retryable }) {
			return err
		}
		for _, item := range batch.Items {
			f.refuse(ctx, tenant, item)
		}
		return nil
	case errors.Is(err, reindex.ErrTooManyChanges) && len(changes) == 1:
		f.refuseAll(ctx, tenant, changes, err)
		return nil
	case errors.Is(err, reindex.ErrTooManyChanges):
		half := len(changes) / 2
		if err := f.deliver(ctx, tenant, changes[:half]); err != nil {
			return err
		}
		return f.deliver(ctx, tenant, changes[half:])
	case errors.Is(err, errors.ErrUnsupported), errors.Is(err, reindex.ErrShutdown):
		return &fatalError{err}
	}
	return err
}

func (f *follower) refuseAll(ctx context.Context, tenant string, changes []reindex.Change, why error) {
	for _, c := range changes {
		f.refuse(ctx, tenant, reindex.ItemError{ID: c.ID, Err: why})
	}
}

// refuse reports a change that was not taken, and never will be.
func (f *follower) refuse(ctx context.Context, tenant string, item reindex.ItemError) {
	f.outbox.Logger.WarnContext(ctx, "sqlsource: a change was refused",
		"tenant", tenant, "product", item.ID, "error", item.Err)
	if f.outbox.Refused != nil {
		f.outbox.Refused(ctx, tenant, item)
	}
}
