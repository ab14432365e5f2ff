package reindex

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// burstTime is the time after which an applier begins no more groups under one claim, so that other processes can get
// the claim. The index is idle for a moment between two claims.
const burstTime = time.Second

// burst is what an applier carries into the live index under one claim: a group of changes, or several at the same time
// if the index accepts several calls.
type burst struct {
	held  *held
	blame bool // refuse the few changes that the index does not accept, whatever the reason

	start    time.Time
	begun    bool     // a group has begun
	read     int64    // the position up to which changes are in groups
	inFlight []*group // the groups that are being carried, in the order of the log
	apart    bool     // the next change is of a product in one of these groups
}

// group holds the changes of one call of the index.
type group struct {
	entries []ChangeEntry // the last change of each product
	last    int64         // the position of the last change
	done    chan struct{} // closed when the call has ended, and the fields below are set
	refused map[int64]ItemError
	err     error
}

func (h *held) newBurst(blame bool) *burst {
	return &burst{held: h, blame: blame, start: time.Now(), read: h.applied}
}

// carry carries groups until others should get the claim, or until too few changes are left for another call at the
// same time.
func (b *burst) carry(ctx context.Context) (err error) {
	st := b.held.stream
	for {
		for !b.begun || err == nil && b.room() && st.last()-b.read >= fullGroup {
			var begun bool
			if begun, err = b.begin(ctx); err != nil || !begun {
				break
			}
		}
		if len(b.inFlight) == 0 {
			return err
		}
		more := st.full
		if !b.room() {
			more = nil
		}
		select {
		case <-more:
			continue
		case <-b.inFlight[0].done:
		}
		g := b.inFlight[0]
		b.inFlight, b.apart = b.inFlight[1:], false
		if failed := b.end(ctx, g); failed != nil {
			if err = failed; b.held.streams.durable() {
				return err
			}
		}
	}
}

// room reports whether a further group may begin while others are being carried.
func (b *burst) room() bool {
	s, st := b.held.streams, b.held.stream
	limit := s.sizes.updates
	return limit > 1 && len(b.inFlight) < limit && !b.apart && (!s.durable() || time.Since(b.start) < burstTime) &&
		!st.isWanted() && st.resting() == 0 && !s.isClosing()
}

// begin reads the next group, and sends it to the index in a goroutine. It reports whether there was one.
func (b *burst) begin(ctx context.Context) (bool, error) {
	s, st := b.held.streams, b.held.stream
	b.begun = true
	entries, _, err := s.log.After(ctx, st.tenant, b.read, s.sizes.docs, s.sizes.bytes)
	if err != nil {
		return false, err
	}
	if entries = b.separate(entries); len(entries) == 0 {
		if len(b.inFlight) == 0 {
			st.carried(b.read, nil, nil)
		}
		return false, nil
	}
	if err := b.held.check(ctx); err != nil {
		return false, err
	}
	g := &group{entries: lastOfEach(entries), last: entries[len(entries)-1].Position, done: make(chan struct{})}
	b.read = g.last
	b.inFlight = append(b.inFlight, g)
	ended, start := s.share.change(len(g.entries)), time.Now()
	go func() {
		defer close(g.done)
		defer func() { st.took(time.Since(start)) }()
		defer ended()
		g.err = contain(func() (err error) {
			g.refused, err = s.update(ctx, st.tenant, g.entries, b.blame)
			return err
		})
	}()
	return true, nil
}

// separate returns the entries before the first one whose product is in a group that is being carried.
func (b *burst) separate(entries []ChangeEntry) []ChangeEntry {
	if len(b.inFlight) == 0 {
		return entries
	}
	busy := map[string]bool{}
	for _, g := range b.inFlight {
		for _, e := range g.entries {
			busy[e.Change.ID] = true
		}
	}
	for i, e := range entries {
		if busy[e.Change.ID] {
			b.apart = true
			return entries[:i]
		}
	}
	return entries
}

// end records the outcome of a group that has ended, the first of those in flight.
func (b *burst) end(ctx context.Context, g *group) error {
	s, st, err := b.held.streams, b.held.stream, g.err
	noIndex := errors.Is(err, ErrNoLiveIndex)
	switch {
	case noIndex && !s.durable() && st.fed(0) == 0:
		err = fmt.Errorf("tenant %s: %w; reindex it first", st.tenant, ErrNoLiveIndex)
	case noIndex:
		err = nil // the first run finds the changes in its source, or replays them
	case err != nil && s.durable():
		b.wait()
		return b.held.lateOr(ctx, err)
	}
	if failed := b.held.record(ctx, g.last, g.refused); failed != nil {
		b.wait()
		return b.held.lateOr(ctx, failed)
	}
	b.held.applied = g.last
	st.carried(g.last, g.refused, err)
	if noIndex {
		return nil
	}
	return err
}

// wait waits until all calls have ended.
func (b *burst) wait() {
	for _, g := range b.inFlight {
		<-g.done
	}
}
