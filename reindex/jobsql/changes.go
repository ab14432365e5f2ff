package jobsql

import (
	"cmp"
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"

	"productindex/reindex"
)

// The defaults of [ChangesConfig].
const (
	DefaultChangesName  = "products"
	DefaultChangesBytes = 256 << 20
)

// ChangesConfig configures [Changes]. The zero value of each field stands for its default.
type ChangesConfig struct {
	// Name identifies a log in the database. Engines that fill different indexes, such as those of different entity
	// types, need different names. Default [DefaultChangesName].
	Name string
	// Bytes is the number of bytes of ids and bodies that are kept per tenant. Default [DefaultChangesBytes].
	Bytes int64
}

// Changes is a [reindex.ChangeLog] in the database of a [Store]. It is safe for concurrent use, also by several
// processes. All of them must use the same Name and Bytes.
//
// A claim lasts for Config.Lease. Claims and their fences follow the clock of the database, as the leases of jobs do.
// After a claim has run out, the log keeps the changes after the applied position for another 20 times Config.Lease, in
// case the holder wakes up. A process that is stopped in the middle of a write for longer than Config.Lease, and is
// killed before it runs again, can leave an older state of the products of that write in the live index until the next
// reindex.
//
// The transactions of one tenant follow one another, so that no position becomes visible after a greater one. An
// error of the database is a [*reindex.TemporaryError]. The log is not read from a read-only server, which may lack the
// last changes.
type Changes struct {
	store *Store
	name  string
	limit int64

	groups groups
}

var _ reindex.ChangeLog = (*Changes)(nil)

// Changes returns the log of changes with a name. A nil cfg means the defaults.
func (s *Store) Changes(cfg *ChangesConfig) (*Changes, error) {
	var c ChangesConfig
	if cfg != nil {
		c = *cfg
	}
	c.Name, c.Bytes = cmp.Or(c.Name, DefaultChangesName), cmp.Or(c.Bytes, DefaultChangesBytes)
	if c.Name != text(c.Name) {
		return nil, fmt.Errorf("jobsql: invalid config: Name is %q, which a database cannot store", c.Name)
	}
	if c.Bytes < 1 {
		return nil, fmt.Errorf("jobsql: invalid config: Bytes is %d, it must be positive", c.Bytes)
	}
	return &Changes{store: s, name: c.Name, limit: c.Bytes}, nil
}

// Lease returns Config.Lease of the store.
func (c *Changes) Lease() time.Duration { return c.store.cfg.Lease }

// logRow is a row of reindex_logs.
type logRow struct {
	head, applied, lost, bytes int64
	holder, wantedBy           string
	fence, claimEnd, wantedEnd int64
	refused                    string
	now                        int64 // the database's time in milliseconds since 1970
	writable                   bool
}

const logColumns = `head, applied, lost, bytes, holder, wanted_by, fence, claim_end, wanted_end, refused,
	{now}, {writable}`

func (r *logRow) dest() []any {
	return []any{
		&r.head, &r.applied, &r.lost, &r.bytes, &r.holder, &r.wantedBy, &r.fence, &r.claimEnd, &r.wantedEnd, &r.refused,
		&r.now, &r.writable,
	}
}

// locked returns the tenant's row, which it creates if necessary, and locks it until the end of the transaction.
func (c *Changes) locked(ctx context.Context, tx session, tenant string) (r logRow, err error) {
	err = c.store.queryRow(ctx, tx, `INSERT INTO reindex_logs (log, tenant, head, applied, lost, bytes, holder, fence,
			claim_end, wanted_by, wanted_end, refused) VALUES (?, ?, 0, 0, 0, 0, '', 0, 0, '', 0, '')
		ON CONFLICT (log, tenant) DO UPDATE SET head = reindex_logs.head RETURNING `+logColumns,
		c.name, text(tenant)).Scan(r.dest()...)
	return r, err
}

// save stores a row that locked returned.
func (c *Changes) save(ctx context.Context, tx session, tenant string, r logRow) error {
	return c.store.exec(ctx, tx, `UPDATE reindex_logs SET head = ?, applied = ?, lost = ?, bytes = ?, holder = ?,
			wanted_by = ?, fence = ?, claim_end = ?, wanted_end = ?, refused = ? WHERE log = ? AND tenant = ?`,
		r.head, r.applied, r.lost, r.bytes, r.holder, r.wantedBy, r.fence, r.claimEnd, r.wantedEnd, r.refused,
		c.name, text(tenant))
}

// change runs f in a transaction that has locked the tenant's row, and stores the row as f leaves it.
func (c *Changes) change(ctx context.Context, tenant, doing string, f func(tx session, r *logRow) error) error {
	err := c.store.transact(ctx, func(tx session) error {
		r, err := c.locked(ctx, tx, tenant)
		if err != nil {
			return err
		}
		before := r
		if err := f(tx, &r); err != nil || r == before {
			return err
		}
		return c.save(ctx, tx, tenant, r)
	})
	return c.explain(tenant, doing, err)
}

// states are the errors that report a state of the log and not a failure of the database.
var states = []error{reindex.ErrChangesFull, reindex.ErrChangesLost, reindex.ErrClaimed, reindex.ErrClaimLost}

// explain adds the tenant to err, and the operation if the database failed.
func (c *Changes) explain(tenant, doing string, err error) error {
	if err == nil {
		return nil
	}
	if !slices.ContainsFunc(states, func(state error) bool { return errors.Is(err, state) }) {
		err = reindex.Temporary(fmt.Errorf("%s the log of changes in the database: %w", doing, err))
	}
	return fmt.Errorf("tenant %s: %w", tenant, err)
}

// read runs f on a connection to a server that accepts writes, and then returns the tenant's row. The row is read last:
// if changes are deleted while f reads, the row reports them as lost.
func (c *Changes) read(ctx context.Context, tenant string, f func(q session) error) (r logRow, err error) {
	err = c.store.withConn(ctx, func(conn *sql.Conn) error {
		if err := f(conn); err != nil {
			return err
		}
		err := c.store.queryRow(ctx, conn, "SELECT "+logColumns+" FROM reindex_logs WHERE log = ? AND tenant = ?",
			c.name, text(tenant)).Scan(r.dest()...)
		if errors.Is(err, sql.ErrNoRows) {
			err = c.store.queryRow(ctx, conn, "SELECT {writable}").Scan(&r.writable)
		}
		if err == nil && !r.writable {
			return errReadOnly
		}
		return err
	})
	return r, c.explain(tenant, "reading", err)
}

// State implements [reindex.ChangeLog].
func (c *Changes) State(ctx context.Context, tenant string) (reindex.ChangeState, error) {
	var accepted sql.NullInt64
	r, err := c.read(ctx, tenant, func(q session) error {
		return c.store.queryRow(ctx, q, `SELECT MIN(accepted) FROM reindex_changes WHERE log = ? AND tenant = ?
				AND position = (SELECT applied + 1 FROM reindex_logs WHERE log = ? AND tenant = ?)`,
			c.name, text(tenant), c.name, text(tenant)).Scan(&accepted)
	})
	if err != nil {
		return reindex.ChangeState{}, err
	}
	state := reindex.ChangeState{Head: r.head, Applied: r.applied, Bytes: r.bytes}
	if state.Lag() > 0 {
		state.Waiting = time.UnixMilli(cmp.Or(accepted.Int64, r.now)).UTC()
	}
	state.Refused, err = decodeRefused(r.refused)
	return state, c.explain(tenant, "reading", err)
}

// Pending implements [reindex.ChangeLog].
func (c *Changes) Pending(ctx context.Context) (tenants []string, err error) {
	rows, err := c.store.db.QueryContext(ctx,
		c.store.cfg.Dialect.sql("SELECT tenant FROM reindex_logs WHERE log = ? AND applied < head"), c.name)
	if err != nil {
		return nil, reindex.Temporary(fmt.Errorf("reading the log of changes in the database: %w", advise(err)))
	}
	defer func() { err = errors.Join(err, rows.Close()) }()
	for rows.Next() {
		var tenant string
		if err := rows.Scan(&tenant); err != nil {
			return nil, err
		}
		tenants = append(tenants, tenant)
	}
	return tenants, rows.Err()
}

// refusedChange is the stored form of a [reindex.RefusedChange].
type refusedChange struct {
	Position int64  `json:"position"`
	ID       string `json:"id"`
	Reason   string `json:"reason"`
}

// addRefused adds refused changes to the stored ones, each position once. It keeps the last reindex.MaxRefused of them.
func addRefused(stored string, refused []reindex.RefusedChange) (string, error) {
	if len(refused) == 0 {
		return stored, nil
	}
	all, err := decodeRefused(stored)
	if err != nil {
		return "", err
	}
	all = reindex.AddRefused(all, refused)
	list := make([]refusedChange, len(all))
	for i, r := range all {
		list[i] = refusedChange{r.Position, text(r.ID), text(r.Reason)}
	}
	encoded, err := json.Marshal(list)
	return string(encoded), err
}

func decodeRefused(stored string) (refused []reindex.RefusedChange, err error) {
	if stored == "" {
		return nil, nil
	}
	var list []refusedChange
	if err := json.Unmarshal([]byte(stored), &list); err != nil {
		return nil, fmt.Errorf("decoding the stored refused changes: %w", err)
	}
	for _, r := range list {
		refused = append(refused, reindex.RefusedChange(r))
	}
	return refused, nil
}
