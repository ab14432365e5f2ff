package sqlsource

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"iter"
	"regexp"
	"strings"
	"sync"

	"productindex/reindex"
)

// splittable is a snapshot that several connections can share.
type splittable struct {
	*snapshot

	exporting sync.Mutex
	exported  string // the name of the snapshot in the database, or empty before export
}

var _ reindex.Splitter = (*splittable)(nil)

// part is the content of a part's name: a half-open range of keys, and the snapshot in which the part is read as long
// as that is open.
type part struct {
	From     *key   `json:"from,omitempty"`  // nil means from the start
	Below    *key   `json:"below,omitempty"` // nil means to the end
	Snapshot string `json:"snapshot,omitempty"`
}

// snapshotName matches the names of snapshots in PostgreSQL.
var snapshotName = regexp.MustCompile(`^[0-9A-Fa-f]+(-[0-9A-Fa-f]+)*$`)

// Split implements [reindex.Splitter]. A part is a range of keys. All parts have the same number of products, give or
// take one. To find the ranges, one statement reads all keys in order; an index on the key makes it fast. Split opens
// no connections for the parts, but reserves one in the pool, so that they can be read. If the pool has none left, the
// error matches [ErrNoRoom] and [errors.ErrUnsupported].
func (s *splittable) Split(ctx context.Context, n int) ([]string, error) {
	if n < 1 {
		return nil, fmt.Errorf("sqlsource: Split was called with n = %d; it must be positive", n)
	}
	if err := s.seat.reserve(); err != nil {
		return nil, fmt.Errorf("sqlsource: splitting tenant %q: %w: %w", s.tenant, errors.ErrUnsupported, err)
	}
	names, err := s.split(ctx, n)
	if err != nil {
		return nil, s.src.wrap(ctx, s.tenant, fmt.Errorf("splitting the keys: %w", err))
	}
	return names, nil
}

func (s *splittable) split(ctx context.Context, n int) ([]string, error) {
	if err := s.checkKeys(ctx); err != nil {
		return nil, err
	}
	var total int64
	if err := s.session.scalar(ctx, &total, s.src.cfg.countKeysSQL(), s.args...); err != nil {
		return nil, err
	}
	snapshot, err := s.export(ctx)
	if err != nil {
		return nil, err
	}
	parts := []part{{Snapshot: snapshot}}
	if shares := min(int64(n), total); shares > 1 {
		err := s.session.each(ctx, s.src.cfg.sharesSQL(shares, total), s.args, func(c cell) error {
			bound, err := newKey(s.layout.bindable(c))
			if err != nil {
				return err
			}
			parts[len(parts)-1].Below = bound
			parts = append(parts, part{From: bound, Snapshot: snapshot})
			return nil
		})
		if err != nil {
			return nil, err
		}
	}
	names := make([]string, len(parts))
	for i, p := range parts {
		name, err := json.Marshal(p)
		if err != nil {
			return nil, err
		}
		names[i] = string(name)
	}
	return names, nil
}

// export returns the name by which other connections can use the snapshot as long as its own connection is open.
func (s *splittable) export(ctx context.Context) (string, error) {
	s.exporting.Lock()
	defer s.exporting.Unlock()
	if s.exported != "" {
		return s.exported, nil
	}
	if err := s.session.scalar(ctx, &s.exported, "SELECT pg_export_snapshot()"); err != nil {
		return "", fmt.Errorf("exporting the snapshot: %w", err)
	}
	return s.exported, nil
}

// Part implements [reindex.Splitter]. It holds a connection of its own while it is read. If the pool has none left, it
// waits for the end of another part. If no part is being read, it yields an error that matches [ErrNoRoom].
//
// If the snapshot of the part has ended, because the process that opened it has ended, Part reads this snapshot.
func (s *splittable) Part(ctx context.Context, name string) iter.Seq2[reindex.Product, error] {
	return func(yield func(reindex.Product, error) bool) {
		if err := s.readPart(ctx, name, yield); err != nil {
			yield(reindex.Product{}, s.src.wrap(ctx, s.tenant, err))
		}
	}
}

func (s *splittable) readPart(ctx context.Context, name string, yield func(reindex.Product, error) bool) error {
	p, err := parsePart(name)
	if err != nil {
		return err
	}
	leave, err := s.seat.sit(ctx)
	if err != nil {
		return err
	}
	defer leave()
	session, err := s.join(ctx, p.Snapshot)
	if err != nil {
		return err
	}
	defer session.end()
	r := &reader{cfg: s.src.cfg, session: session, args: s.args, row: s.layout.clone(), part: true}
	if p.From != nil {
		r.from = p.From.value
	}
	if p.Below != nil {
		r.below = p.Below.value
	}
	return r.read(ctx, yield)
}

// parsePart decodes the name of a part.
func parsePart(name string) (part, error) {
	var p part
	d := json.NewDecoder(bytes.NewReader([]byte(name)))
	d.DisallowUnknownFields()
	err := d.Decode(&p)
	switch {
	case err != nil:
	case d.More() || !strings.HasPrefix(name, "{"):
		err = errors.New("it is not one object")
	case !snapshotName.MatchString(p.Snapshot):
		err = errors.New("its snapshot is not the name of a snapshot in PostgreSQL")
	}
	if err != nil {
		return part{}, fmt.Errorf("%.200q is not the name of a part: %w", name, err)
	}
	return p, nil
}

// join begins a transaction in the snapshot with the name or, if that has ended, in this one.
func (s *splittable) join(ctx context.Context, name string) (*session, error) {
	session, err := s.enter(ctx, name)
	if err == nil || !isGone(err) {
		return session, err
	}
	own, exportErr := s.export(ctx)
	if exportErr != nil {
		return nil, exportErr
	}
	if name == own {
		return nil, fmt.Errorf("the snapshot is lost: %w", err)
	}
	return s.enter(ctx, own)
}

// enter begins a transaction in the snapshot with the name.
func (s *splittable) enter(ctx context.Context, name string) (*session, error) {
	session, err := s.src.begin(ctx)
	if err != nil {
		return nil, err
	}
	// The statement does not accept parameters.
	statement := "SET TRANSACTION SNAPSHOT '" + strings.ReplaceAll(name, "'", "''") + "'"
	if _, err := session.ExecContext(ctx, statement); err != nil {
		session.end()
		return nil, fmt.Errorf("sharing the snapshot: %w", err)
	}
	return session, nil
}

// isGone reports whether err means that the snapshot does not exist, or that the transaction that exported it has
// ended.
func isGone(err error) bool {
	var state interface{ SQLState() string }
	if !errors.As(err, &state) {
		return false
	}
	switch state.SQLState() {
	case "22023", "42704", "55000": // invalid_parameter_value, undefined_object, object_not_in_prerequisite_state
		return true
	}
	return false
}
