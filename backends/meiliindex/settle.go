package meiliindex

import (
	"context"
	"slices"
)

// settleAll waits for everything that was sent.
func (g *generation) settleAll(ctx context.Context) error {
	select {
	case g.settling <- struct{}{}:
		defer func() { <-g.settling }()
	case <-ctx.Done():
		return ctx.Err()
	}
	for g.oldest() != nil {
		if err := g.settleOldest(ctx); err != nil {
			return err
		}
	}
	return g.docs.idle(ctx) // a task may wait that a Write has sent whose answer was lost
}

func (g *generation) oldest() *sending {
	g.mu.Lock()
	defer g.mu.Unlock()
	if len(g.sent) == 0 {
		return nil
	}
	return g.sent[0]
}

// forget drops a task and frees its slot.
func (g *generation) forget(s *sending) {
	g.mu.Lock()
	g.sent = slices.DeleteFunc(g.sent, func(other *sending) bool { return other == s })
	g.mu.Unlock()
	<-g.slots
}

// settleOldest waits for the oldest task. When it did not succeed, it waits for all, and sends again what has to be.
// The caller holds settling.
func (g *generation) settleOldest(ctx context.Context) error {
	s := g.oldest()
	if s == nil {
		return nil
	}
	good, err := g.docs.examine(ctx, s)
	if err != nil {
		return err
	}
	if good {
		g.forget(s)
		return nil
	}
	return g.isolateAll(ctx)
}

// isolateAll waits for all that was sent, while nothing new is, and sends again what did not succeed, task by task, so
// that each of them is alone in its batch.
func (g *generation) isolateAll(ctx context.Context) error {
	if err := g.posts.Acquire(ctx, int64(g.ix.cfg.MaxTasks)); err != nil {
		return err
	}
	defer g.posts.Release(int64(g.ix.cfg.MaxTasks))
	g.mu.Lock()
	all := slices.Clone(g.sent)
	g.mu.Unlock()
	var bad []*sending
	for i, s := range all {
		good, err := g.docs.examine(ctx, s)
		if err != nil {
			return err
		}
		if !good {
			s.leaveOut(all[i+1:])
			bad = append(bad, s)
		}
	}
	for _, s := range all {
		if !slices.Contains(bad, s) {
			g.forget(s)
		}
	}
	if err := g.docs.idle(ctx); err != nil {
		return err
	}
	for _, s := range bad {
		if err := g.docs.isolate(ctx, s); err != nil {
			return err
		}
		g.forget(s)
	}
	return nil
}
