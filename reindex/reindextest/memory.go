package reindextest

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"sync"

	"productindex/reindex"
)

// Memory is the reference [reindex.Indexer]: maps in memory. Use NewMemory. It is safe for concurrent use.
type Memory struct {
	mu   sync.Mutex
	live map[string]map[string]json.RawMessage // by tenant, then by id

	fences map[string]fence

	begun, open int
}

// fence is the greatest token that an index has seen of a tenant, and whether the run that has it may begin again: it
// has discarded what it had.
type fence struct {
	token int64
	free  bool
}

// NewMemory returns an empty index.
func NewMemory() *Memory {
	return &Memory{live: map[string]map[string]json.RawMessage{}, fences: map[string]fence{}}
}

// Begin opens a generation.
func (m *Memory) Begin(ctx context.Context, tenant string) (reindex.Generation, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	token, _ := reindex.Fence(ctx)
	if seen := m.fences[tenant]; token > 0 && (token < seen.token || token == seen.token && !seen.free) {
		return nil, fmt.Errorf("tenant %s, token %d: %w", tenant, token, reindex.ErrFenced)
	}
	if token > 0 {
		m.fences[tenant] = fence{token: token}
	}
	m.open++
	m.begun++
	name := fmt.Sprintf("generation-%d", m.begun)
	return &memoryGeneration{index: m, tenant: tenant, token: token, name: name, docs: map[string]json.RawMessage{}}, nil
}

// Documents returns the live bodies of a tenant by id; nil where nothing was ever committed.
func (m *Memory) Documents(tenant string) map[string]json.RawMessage {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.live[tenant]
}

// Open returns how many generations have been begun and are neither live nor aborted.
func (m *Memory) Open() int {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.open
}

// Search returns the ids of the live documents with their field "rev", as [Fixture] wants it.
func (m *Memory) Search(ctx context.Context, tenant string) (map[string]string, error) {
	found := map[string]string{}
	for id, body := range m.Documents(tenant) {
		var doc struct {
			Rev string `json:"rev"`
		}
		if err := json.Unmarshal(body, &doc); err != nil {
			return nil, err
		}
		found[id] = doc.Rev
	}
	return found, ctx.Err()
}

// DocCount returns how many documents of the tenant are live.
func (m *Memory) DocCount(ctx context.Context, tenant string) (int64, error) {
	docs := m.Documents(tenant)
	if docs == nil {
		return 0, reindex.ErrNoLiveIndex
	}
	return int64(len(docs)), ctx.Err()
}

// Update changes the live documents of a tenant.
func (m *Memory) Update(ctx context.Context, tenant string, changes []reindex.Change) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.live[tenant] == nil {
		return reindex.ErrNoLiveIndex
	}
	docs := maps.Clone(m.live[tenant]) // searches read the old ones
	edit(docs, changes)
	m.live[tenant] = docs
	return nil
}

// edit carries changes out.
func edit(docs map[string]json.RawMessage, changes []reindex.Change) {
	for _, c := range changes {
		if c.Delete {
			delete(docs, c.ID)
		} else {
			docs[c.ID] = append(json.RawMessage(nil), c.Body...)
		}
	}
}

type memoryGeneration struct {
	index        *Memory
	tenant, name string
	token        int64

	mu    sync.Mutex
	docs  map[string]json.RawMessage
	ended bool // committed or aborted
}

func (g *memoryGeneration) Write(ctx context.Context, batch []reindex.Product) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	for _, p := range batch {
		g.docs[p.ID] = append(json.RawMessage(nil), p.Body...)
	}
	return nil
}

// Edit carries changes out in the generation.
func (g *memoryGeneration) Edit(ctx context.Context, changes []reindex.Change) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.ended {
		return fmt.Errorf("%s has ended", g.name)
	}
	edit(g.docs, changes)
	return nil
}

// Flush has nothing to wait for.
func (g *memoryGeneration) Flush(ctx context.Context) ([]reindex.ItemError, error) {
	return nil, ctx.Err()
}

// Name returns the generation's number.
func (g *memoryGeneration) Name() string { return g.name }

func (g *memoryGeneration) Seal(ctx context.Context) (reindex.Sealed, error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	live := int64(-1)
	if docs := g.index.Documents(g.tenant); docs != nil {
		live = int64(len(docs))
	}
	return reindex.Sealed{Documents: int64(len(g.docs)), Live: live}, ctx.Err()
}

func (g *memoryGeneration) Commit(ctx context.Context) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	var err error
	g.end(func() {
		if g.token < g.index.fences[g.tenant].token {
			err = fmt.Errorf("tenant %s, token %d: %w", g.tenant, g.token, reindex.ErrFenced)
			return
		}
		g.index.live[g.tenant] = maps.Clone(g.docs)
	})
	return err
}

func (g *memoryGeneration) Abort(context.Context) error {
	g.end(func() {
		if seen := g.index.fences[g.tenant]; seen.token == g.token {
			g.index.fences[g.tenant] = fence{g.token, true}
		}
	})
	return nil
}

// end calls f, and counts the generation as no longer open, the first time.
func (g *memoryGeneration) end(f func()) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.index.mu.Lock()
	defer g.index.mu.Unlock()
	if !g.ended {
		g.ended = true
		g.index.open--
		f()
	}
}
