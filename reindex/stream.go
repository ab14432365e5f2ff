package reindex

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
)

// streams carry the changes of all tenants into their live indexes.
type streams struct {
	cfg   *Config
	src   Source
	ix    Indexer
	sizes sizes

	base context.Context //nolint:containedctx // of the appliers: it ends with the engine
	stop context.CancelCauseFunc

	mu      sync.Mutex
	closed  bool
	tenants map[string]*stream
	idled   sync.Once
	idle    chan struct{} // made when the streams are closed, closed when none is in use
}

func newStreams(cfg *Config, src Source, ix Indexer, sizes sizes) *streams {
	s := &streams{cfg: cfg, src: src, ix: ix, sizes: sizes, tenants: map[string]*stream{}}
	s.base, s.stop = context.WithCancelCause(context.Background())
	return s
}

// stream carries the changes of one tenant into its live index, in order: one applier at a time, which ends when there
// is nothing left to do. Whoever writes to the live index, the applier or a switch-over, holds turn.
type stream struct {
	log  changeLog
	turn chan struct{}

	users int // calls, runs and appliers that use it; guarded by streams.mu
}

// use returns a tenant's stream, which stays the tenant's until done is called.
func (s *streams) use(tenant string) (st *stream, done func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.join(tenant)
}

// accept is use for a call from outside: it returns [ErrShutdown] once the engine is shut down.
func (s *streams) accept(tenant string) (st *stream, done func(), err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return nil, nil, fmt.Errorf("tenant %s: %w", tenant, ErrShutdown)
	}
	st, done = s.join(tenant)
	return st, done, nil
}

// join is use while mu is held.
func (s *streams) join(tenant string) (st *stream, done func()) {
	st = s.tenants[tenant]
	if st == nil {
		st = &stream{log: changeLog{limit: s.cfg.ChangeBytes, pins: map[*pin]struct{}{}}, turn: make(chan struct{}, 1)}
		s.tenants[tenant] = st
	}
	st.users++
	return st, func() { s.leave(tenant, st) }
}

func (s *streams) leave(tenant string, st *stream) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if st.users--; st.users > 0 {
		return
	}
	delete(s.tenants, tenant)
	if len(s.tenants) == 0 && s.closed {
		s.idled.Do(func() { close(s.idle) })
	}
}

// close accepts no more changes, and returns what is closed when no stream is in use any more.
func (s *streams) close() <-chan struct{} {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.closed {
		s.closed, s.idle = true, make(chan struct{})
	}
	if len(s.tenants) == 0 {
		s.idled.Do(func() { close(s.idle) })
	}
	return s.idle
}

// left returns the tenants whose changes are being applied.
func (s *streams) left() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	var tenants []string
	for tenant, st := range s.tenants {
		if st.log.busy() {
			tenants = append(tenants, tenant)
		}
	}
	slices.Sort(tenants)
	return tenants
}

// hold waits until nobody else writes to the tenant's live index. The caller calls release.
func (s *stream) hold(ctx context.Context) (release func(), err error) {
	select {
	case s.turn <- struct{}{}:
		return func() { <-s.turn }, nil
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	}
}

// apply starts an applier of the tenant's changes if there is something to do and none is at work.
func (s *streams) apply(tenant string, st *stream) {
	if !st.log.start() {
		return
	}
	_, done := s.use(tenant)
	go func() {
		defer done()
		for !st.log.pause() {
			before := st.log.position()
			err := contain(func() error { return s.applyNext(s.base, tenant, st) })
			if err == nil {
				continue
			}
			s.cfg.Logger.Error("changes could not be applied", "tenant", tenant, "error", err)
			if st.log.position() == before {
				st.log.carried(st.log.last(), nil, err)
			}
		}
	}()
}

// applyNext carries the next changes into the live index.
func (s *streams) applyNext(ctx context.Context, tenant string, st *stream) error {
	release, err := st.hold(ctx)
	if err != nil {
		return err
	}
	defer release()
	entries, _, err := st.log.after(st.log.position(), s.sizes.docs, s.sizes.bytes)
	if err != nil || len(entries) == 0 {
		return err
	}
	last := entries[len(entries)-1].position
	updater, _ := As[Updater](s.ix)
	refused, err := s.carry(ctx, tenant, lastOfEach(entries), func(changes []Change) error {
		return updater.Update(ctx, tenant, changes)
	})
	if errors.Is(err, ErrNoLiveIndex) {
		err = nil
		if !st.log.pinned() {
			err = fmt.Errorf("tenant %s: %w; reindex it first", tenant, ErrNoLiveIndex)
		}
		st.log.carried(last, refused, err)
		return nil
	}
	st.log.carried(last, refused, err)
	return err
}

// carry sends changes until each of them has been taken or refused, and returns the refused ones by their positions.
// Any other error means that it is not known which were taken.
func (s *streams) carry(ctx context.Context, tenant string, entries []entry, send func([]Change) error) (map[int64]ItemError, error) {
	c := carrier{cfg: s.cfg, src: s.src, tenant: tenant, send: send, refused: map[int64]ItemError{}}
	entries, err := c.find(ctx, entries)
	if err == nil {
		err = c.carry(ctx, entries)
	}
	return c.refused, err
}
