package sqlsource

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"sync"
)

// ErrNoRoom means that the pool of connections has none left for reading. Sources leave one connection to other users.
var ErrNoRoom = errors.New("no connection is left in the pool")

// rooms counts the connections of each pool that the sources of this process hold together.
var rooms = struct {
	sync.Mutex

	of map[*sql.DB]*room
}{of: map[*sql.DB]*room{}}

// room counts the connections of one pool that sources hold. It is removed when they hold none.
type room struct {
	held  int
	freed chan struct{} // closed and replaced when a connection is released
}

// limit returns the number of connections of db that all sources together may hold: all but one, which other users such
// as a job store need. If the pool has only one connection, a source may hold it. 0 means no limit.
func limit(db *sql.DB) int {
	most := db.Stats().MaxOpenConnections
	if most <= 0 {
		return 0
	}
	return max(1, most-1)
}

// hold reserves a connection of db. The caller must call release.
func hold(db *sql.DB) error {
	rooms.Lock()
	defer rooms.Unlock()
	r := rooms.of[db]
	if r == nil {
		r = &room{freed: make(chan struct{})}
		rooms.of[db] = r
	}
	most := limit(db)
	if most > 0 && r.held >= most {
		return fmt.Errorf("%w: SetMaxOpenConns allows %d, sources hold %d, and one is left to others, such as a job store; "+
			"raise SetMaxOpenConns", ErrNoRoom, db.Stats().MaxOpenConnections, r.held)
	}
	r.held++
	return nil
}

// spare returns an error if sources hold every connection of db, because a caller that waits for one could wait for
// itself.
func spare(db *sql.DB) error {
	rooms.Lock()
	defer rooms.Unlock()
	r, most := rooms.of[db], db.Stats().MaxOpenConnections
	if r != nil && most > 0 && r.held >= most {
		return fmt.Errorf("%w: SetMaxOpenConns allows %d, and snapshots hold all of them; raise SetMaxOpenConns",
			ErrNoRoom, most)
	}
	return nil
}

// release returns a connection that hold has reserved.
func release(db *sql.DB) {
	rooms.Lock()
	defer rooms.Unlock()
	r := rooms.of[db]
	close(r.freed)
	r.freed = make(chan struct{})
	if r.held--; r.held == 0 {
		delete(rooms.of, db)
	}
}

// seat is the connection that a snapshot reserves for reading parts, beside its own. With it one part after another can
// be read, even if others hold all other connections.
type seat struct {
	db *sql.DB

	mu    sync.Mutex
	taken bool
	used  bool
	freed chan struct{} // closed and replaced when the seat is free again
}

// reserve reserves the connection unless it has done so before.
func (s *seat) reserve() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.taken {
		return nil
	}
	if err := hold(s.db); err != nil {
		return err
	}
	s.taken, s.freed = true, make(chan struct{})
	return nil
}

// sit waits for a connection to read a part: the reserved one or another one. The caller must call leave.
func (s *seat) sit(ctx context.Context) (leave func(), err error) {
	if err := s.reserve(); err != nil {
		return nil, err
	}
	for {
		others := freed(s.db) // first, so that no release is missed
		s.mu.Lock()
		if !s.used {
			s.used = true
			s.mu.Unlock()
			return s.leave, nil
		}
		own := s.freed
		s.mu.Unlock()
		if hold(s.db) == nil {
			return func() { release(s.db) }, nil
		}
		select {
		case <-own:
		case <-others:
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
}

func (s *seat) leave() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.used = false
	close(s.freed)
	s.freed = make(chan struct{})
}

// release returns the reserved connection, if there is one.
func (s *seat) release() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.taken {
		s.taken = false
		release(s.db)
	}
}

// freed returns a channel that is closed when a connection of db is released. Sources must hold at least one.
func freed(db *sql.DB) <-chan struct{} {
	rooms.Lock()
	defer rooms.Unlock()
	return rooms.of[db].freed
}
