package reindextest

import (
	"context"
	"encoding/json"
	"fmt"

	"productindex/reindex"
)

// Join implements [reindex.Joiner].
func (m *Memory) Join(ctx context.Context, tenant, generation string) (reindex.Writer, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	token, _ := reindex.Fence(ctx)
	m.mu.Lock()
	g, seen := m.generations[tenant+"/"+generation], m.fences[tenant]
	m.mu.Unlock()
	if g == nil || token < seen.token {
		return nil, fmt.Errorf("tenant %s, %s, token %d: %w", tenant, generation, token, reindex.ErrFenced)
	}
	w := memoryWriter{generation, g.load}
	g.load.mu.Lock()
	defer g.load.mu.Unlock()
	return w, w.check()
}

// memoryWriter writes into a generation that has been joined.
type memoryWriter struct {
	name string
	load *memoryLoad
}

// check returns an error if the load is over. load.mu must be held.
func (w memoryWriter) check() error {
	if w.load.closed || w.load.ended {
		return fmt.Errorf("the load of %s is over: %w", w.name, reindex.ErrFenced)
	}
	return nil
}

func (w memoryWriter) Write(ctx context.Context, batch []reindex.Product) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	w.load.mu.Lock()
	defer w.load.mu.Unlock()
	if err := w.check(); err != nil {
		return err
	}
	for _, p := range batch {
		w.load.docs[p.ID] = append(json.RawMessage(nil), p.Body...)
	}
	return nil
}

func (w memoryWriter) Flush(ctx context.Context) ([]reindex.ItemError, error) { return nil, ctx.Err() }

// Resume implements [reindex.Resumer].
func (m *Memory) Resume(ctx context.Context, tenant, generation string) (reindex.Generation, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	token, _ := reindex.Fence(ctx)
	m.mu.Lock()
	g := m.generations[tenant+"/"+generation]
	m.mu.Unlock()
	if g == nil {
		return nil, fmt.Errorf("tenant %s, %s: %w", tenant, generation, reindex.ErrNoGeneration)
	}
	g.load.mu.Lock()
	defer g.load.mu.Unlock()
	m.mu.Lock()
	defer m.mu.Unlock()
	seen := m.fences[tenant]
	switch {
	case g.load.ended:
		return nil, fmt.Errorf("tenant %s, %s: %w", tenant, generation, reindex.ErrCommitted)
	case token < seen.token || token == seen.token && !seen.free:
		return nil, fmt.Errorf("tenant %s, token %d: %w", tenant, token, reindex.ErrFenced)
	}
	g.lost = true
	next := &memoryGeneration{index: m, tenant: tenant, name: generation, token: token, load: g.load}
	m.generations[tenant+"/"+generation] = next
	m.fences[tenant] = fence{token: token}
	return next, nil
}
