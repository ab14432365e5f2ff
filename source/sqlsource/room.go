package sqlsource

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"sync"
)

// ErrNoRoom: the pool of connections is too small to read, if one connection is left for others.
var ErrNoRoom = errors.New("no connection is left in the pool")

// rooms counts the connections that the sources of this process hold, by pool, so that several sources on one pool
// share it.
var rooms = struct {
	sync.Mutex

	of map[*sql.DB]*room
}{of: map[*sql.DB]*room{}}

// room counts the connections of one pool that sources hold. It is forgotten once they hold none.
type room struct {
	held  int
	freed chan struct{} // closed, and replaced, if something is given back
}

// limit returns how many connections of db all sources may hold together: all but one, which others need, such as a job
// store. A pool of one connection is the source's alone while it reads. 0 means that there is no limit.
func limit(db *sql.DB) int {
	most := db.Stats().MaxOpenConnections
	if most <= 0 {
		return 0
	}
	return max(1, most-1)
}

// hold takes one of the places of db for a connection. The caller gives it back with release.
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
		return fmt.Errorf(
			"%w: it opens at most %d, sources hold %d, and one is left for others, such as a job store; raise SetMaxOpenConns",
			ErrNoRoom,
			db.Stats().MaxOpenConnections,
			r.held,
		)
	}
	r.held++
	return nil
}

// spare returns an error if sources hold every connection of db: a caller that waited for one could wait for itself.
func spare(db *sql.DB) error {
	rooms.Lock()
	defer rooms.Unlock()
	r, most := rooms.of[db], db.Stats().MaxOpenConnections
	if r != nil && most > 0 && r.held >= most {
		return fmt.Errorf("%w: it opens at most %d, and a snapshot holds that; raise SetMaxOpenConns", ErrNoRoom, most)
	}
	return nil
}

// release gives a place back.
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

// seat is the place that a snapshot keeps for reading parts, beside its own connection. Whatever others hold, one part
// after the other can be read.
type seat struct {
	db *sql.DB

	mu    sync.Mutex
	taken bool
	used  bool
	freed chan struct{} // closed, and replaced, if the seat is given back
}

// reserve takes the place, if that is not done yet.
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

// sit waits for a place to read a part: the reserved one or another one. The caller calls leave.
func (s *seat) sit(ctx context.Context) (leave func(), err error) {
	if err := s.reserve(); err != nil {
		return nil, err
	}
	for {
		others := freed(s.db) // before the looks, so that nothing is missed
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

// release gives the reserved place back, if there is one.
func (s *seat) release() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.taken {
		s.taken = false
		release(s.db)
	}
}

// freed returns a channel that is closed when a place of db is given back. At least one is held.
func freed(db *sql.DB) <-chan struct{} {
	rooms.Lock()
	defer rooms.Unlock()
	return rooms.of[db].freed
}
