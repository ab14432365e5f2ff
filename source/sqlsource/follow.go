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

// UpdateFunc accepts changes of a tenant's products, as [reindex.Engine.Update] does. If it returns nil, or a
// [*reindex.BatchError] without retryable items, it has accepted the changes, and refused the items for good.
type UpdateFunc func(ctx context.Context, tenant string, changes ...reindex.Change) error

// Follow reads the changes in an outbox and passes them to update, in the order of the sequence, until ctx ends. It
// then returns nil.
//
// Follow passes each change to update at least once, and deletes the row after update has accepted it. It deletes only
// rows that it has read, so a row that becomes visible late, with a lower sequence than others, is not lost. The
// changes of one product keep their order if each transaction writes the product before the row of the outbox.
//
// Follow reports changes that update refuses, and rows that are not valid changes, to Outbox.Refused and deletes them.
// After any other error of update, the rows of the tenant stay, and Follow tries them again after a wait. Other tenants
// do not wait.
//
// On PostgreSQL and MySQL only one Follow at a time follows an outbox, in all processes; the others wait for its end.
// It holds a connection while it runs, which counts as a connection of a [Source] (see [ErrNoRoom]). The lock belongs
// to the session, so a pooler must not share sessions. On SQLite the host must ensure that there is only one Follow.
//
// Follow returns an error if the outbox is not usable, for example because a table or column is missing, and if an
// error of update matches [errors.ErrUnsupported] or [reindex.ErrShutdown]. It logs lost connections and other errors
// of the database, and continues.
func Follow(ctx context.Context, db *sql.DB, outbox Outbox, update UpdateFunc) error {
	o := outbox.withDefaults()
	if err := o.validate(); err != nil {
		return err
	}
	if o.Dialect != SQLite && db.Stats().MaxOpenConnections == 1 {
		return fmt.Errorf("sqlsource: following %s: %w: SetMaxOpenConns allows one connection, which Follow would hold; "+
			"raise it", o.Table, ErrNoRoom)
	}
	f := &follower{outbox: o, db: db, update: update, waits: map[string]*wait{}}
	var failed wait
	for ctx.Err() == nil {
		err := f.attend(ctx, func() { failed = wait{} })
		fatal, isFatal := errors.AsType[*fatalError](err)
		switch {
		case isFatal:
			return fmt.Errorf("sqlsource: following %s: %w", o.Table, fatal.error)
		case ctx.Err() != nil: // err is only a consequence
		case errors.Is(err, errOther):
			o.Logger.DebugContext(ctx, "sqlsource: another process follows the outbox", "table", o.Table)
			failed.until = time.Now().Add(o.Interval)
		default:
			failed.longer(o.MaxDelay)
			o.Logger.WarnContext(ctx, "sqlsource: following the outbox failed; it will be tried again",
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
	row    *outboxRow       // nil until the table has been checked
	waits  map[string]*wait // by tenant, after update has failed
}

// wait is the wait before the next attempt after failures.
type wait struct {
	failures int
	until    time.Time
}

const (
	firstDelay = 200 * time.Millisecond
	// maxWaits is the largest number of waiting tenants. If there are more, Follow reads no rows until a wait ends.
	maxWaits = 1000
)

// longer records another failure, and doubles the wait up to most.
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

// attend follows the outbox over one connection until something fails. It calls well after each successful round.
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

// prepare checks the table. The first time, an error of the table is fatal if the database answers other statements.
// Later errors can come from a failover, and are not fatal.
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
		return fmt.Errorf("reading the columns of table %s: %w", f.outbox.Table, err)
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
	if f.outbox.Dialect != SQLite { // there the statement would wait for other writers
		if _, err := link.ExecContext(ctx, "DELETE FROM "+f.outbox.table()+" WHERE 1 = 0"); err != nil {
			return fmt.Errorf("checking the right to delete rows of table %s: %w", f.outbox.Table, err)
		}
	}
	return f.checkOrder(ctx, link)
}

// checkOrder returns an error if a row has no sequence, because such a row would never be read.
func (f *follower) checkOrder(ctx context.Context, link *outboxLink) error {
	var one int
	err := link.QueryRowContext(ctx, f.outbox.unorderedSQL()).Scan(&one)
	switch {
	case errors.Is(err, sql.ErrNoRows):
		return nil
	case err != nil:
		return fmt.Errorf("looking for rows without a value of %s: %w", f.outbox.Sequence, err)
	}
	return &fatalError{fmt.Errorf("column %q is NULL in at least one row; every row must have a value", f.outbox.Sequence)}
}

// round reads rows, passes their changes to update and deletes the accepted ones. It reports whether there can be more.
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

// waiting returns the tenants that wait, and removes waits that ended long ago.
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

// idle returns the time until the next read if no notification comes.
func (f *follower) idle() time.Duration {
	d := f.outbox.Interval
	for _, w := range f.waits {
		if left := time.Until(w.until); left > 0 {
			d = min(d, left)
		}
	}
	return d
}

// handOn passes the changes of each tenant to update. It returns the sequences of the rows to delete.
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

// leave makes a tenant wait before the next attempt.
func (f *follower) leave(ctx context.Context, tenant string, why error) {
	w := f.waits[tenant]
	if w == nil {
		w = &wait{}
		f.waits[tenant] = w
	}
	w.longer(f.outbox.MaxDelay)
	if ctx.Err() == nil {
		f.outbox.Logger.WarnContext(ctx, "sqlsource: updating products failed; the changes will be tried again",
			"tenant", tenant, "error", why, "again", w.until)
	}
}

// deliver passes the changes of a tenant to update, in smaller batches if they are too many. It returns an error if
// some of them were neither accepted nor refused.
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

// refuse reports a change that was refused for good.
func (f *follower) refuse(ctx context.Context, tenant string, item reindex.ItemError) {
	f.outbox.Logger.WarnContext(ctx, "sqlsource: a change was refused",
		"tenant", tenant, "product", item.ID, "error", item.Err)
	if f.outbox.Refused != nil {
		f.outbox.Refused(ctx, tenant, item)
	}
}
