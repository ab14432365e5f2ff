package jobsql

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"

	"productindex/reindex"
)

// lateLeases is the number of leases for which a claim that was not released keeps the changes after the applied
// position: its holder may wake up.
const lateLeases = 20

// Claim implements [reindex.ChangeLog].
func (c *Changes) Claim(ctx context.Context, tenant, holder string, urgent bool) (fence, applied int64, err error) {
	var claimed bool
	err = c.change(ctx, tenant, "claiming a live index in", func(tx session, r *logRow) error {
		lease := c.Lease().Milliseconds()
		mine := r.holder == holder
		taken := !mine && r.holder != "" && r.claimEnd >= r.now
		promised := !mine && !urgent && r.wantedBy != holder && r.wantedEnd >= r.now
		if claimed = taken || promised; claimed {
			if urgent {
				r.wantedBy, r.wantedEnd = holder, r.now+lease
			}
			return nil
		}
		if !mine {
			if err := c.keepForLate(ctx, tx, tenant, r); err != nil {
				return err
			}
			// Fences follow the clock: if a failover loses the last fences, the next ones are still greater.
			r.holder, r.fence = holder, max(r.fence+1, r.now)
			r.wantedBy, r.wantedEnd = "", 0
		}
		r.claimEnd = r.now + lease
		fence, applied = r.fence, r.applied
		return nil
	})
	if err == nil && claimed {
		err = c.explain(tenant, "", reindex.ErrClaimed)
	}
	return fence, applied, err
}

// keepForLate pins the changes that follow the applied position. If the claim of the former holder ran out, a write of
// that holder may still reach the live index; the holder then rewinds the log, so that these changes are applied again.
func (c *Changes) keepForLate(ctx context.Context, tx session, tenant string, r *logRow) error {
	if r.holder == "" {
		return nil
	}
	return c.pin(ctx, tx, tenant, fmt.Sprintf("late-%d", r.fence), r.applied, lateLeases*c.Lease())
}

// Release implements [reindex.ChangeLog].
func (c *Changes) Release(ctx context.Context, tenant string, fence int64) error {
	return c.change(ctx, tenant, "releasing a live index in", func(_ session, r *logRow) error {
		if r.fence == fence {
			r.holder, r.claimEnd = "", 0
		}
		return nil
	})
}

// Applied implements [reindex.ChangeLog].
func (c *Changes) Applied(
	ctx context.Context, tenant string, fence, from, position int64, refused []reindex.RefusedChange,
) error {
	return c.change(ctx, tenant, "recording progress in", func(tx session, r *logRow) (err error) {
		if r.holder == "" || r.fence != fence {
			return reindex.ErrClaimLost
		}
		r.claimEnd = r.now + c.Lease().Milliseconds()
		if r.applied >= from {
			r.applied = max(r.applied, min(position, r.head))
		}
		if r.refused, err = addRefused(r.refused, refused); err != nil {
			return err
		}
		return c.trim(ctx, tx, tenant, r)
	})
}

// Rewind implements [reindex.ChangeLog].
func (c *Changes) Rewind(ctx context.Context, tenant string, position int64) error {
	return c.change(ctx, tenant, "rewinding", func(_ session, r *logRow) error {
		if position < r.lost && position < r.applied {
			return reindex.ErrChangesLost
		}
		r.applied = min(r.applied, position)
		return nil
	})
}

// Pin implements [reindex.ChangeLog].
func (c *Changes) Pin(ctx context.Context, tenant, name string, position int64, lasting time.Duration) (int64, error) {
	pinned := position
	err := c.change(ctx, tenant, "pinning changes in", func(tx session, r *logRow) error {
		if pinned = position; pinned < 0 {
			pinned = r.head
		}
		err := c.store.queryRow(ctx, tx, "SELECT position FROM reindex_change_pins WHERE log = ? AND tenant = ? AND name = ?",
			c.name, text(tenant), text(name)).Scan(&pinned)
		if err != nil && !errors.Is(err, sql.ErrNoRows) {
			return err
		}
		if pinned < r.lost {
			return reindex.ErrChangesLost
		}
		return c.pin(ctx, tx, tenant, name, pinned, lasting)
	})
	return pinned, err
}

func (c *Changes) pin(
	ctx context.Context, tx session, tenant, name string, position int64, lasting time.Duration,
) error {
	end := "0"
	if lasting > 0 {
		end = fmt.Sprintf("{now} + %d", max(1, lasting.Milliseconds()))
	}
	return c.store.exec(ctx, tx, `INSERT INTO reindex_change_pins (log, tenant, name, position, pin_end)
			VALUES (?, ?, ?, ?, `+end+`)
		ON CONFLICT (log, tenant, name) DO UPDATE SET position = excluded.position, pin_end = excluded.pin_end`,
		c.name, text(tenant), text(name), position)
}

// Pins implements [reindex.ChangeLog].
func (c *Changes) Pins(ctx context.Context, tenant string) (pins map[string]int64, err error) {
	_, err = c.read(ctx, tenant, func(q session) error {
		pins, err = c.pins(ctx, q, tenant)
		return err
	})
	return pins, err
}

func (c *Changes) pins(ctx context.Context, q session, tenant string) (pins map[string]int64, err error) {
	rows, err := q.QueryContext(ctx, c.store.cfg.Dialect.sql(`SELECT name, position FROM reindex_change_pins
		WHERE log = ? AND tenant = ? AND (pin_end = 0 OR pin_end >= {now})`), c.name, text(tenant))
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, rows.Close()) }()
	pins = map[string]int64{}
	for rows.Next() {
		var name string
		var position int64
		if err := rows.Scan(&name, &position); err != nil {
			return nil, err
		}
		pins[name] = position
	}
	return pins, rows.Err()
}

// Unpin implements [reindex.ChangeLog].
func (c *Changes) Unpin(ctx context.Context, tenant, name string) error {
	return c.change(ctx, tenant, "unpinning changes in", func(tx session, r *logRow) error {
		if err := c.store.exec(ctx, tx, "DELETE FROM reindex_change_pins WHERE log = ? AND tenant = ? AND name = ?",
			c.name, text(tenant), text(name)); err != nil {
			return err
		}
		return c.trim(ctx, tx, tenant, r)
	})
}
