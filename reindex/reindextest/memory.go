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

	generations map[string]*memoryGeneration // those that can be joined and resumed, by tenant and name

	begun, open int
}

// fence is the greatest token of a tenant that an index has seen. It is free if the run that has it has discarded its
// generation, and so may begin again.
type fence struct {
	token int64
	free  bool
}

// NewMemory returns an empty index.
func NewMemory() *Memory {
	return &Memory{live: map[string]map[string]json.RawMessage{}, fences: map[string]fence{},
		generations: map[string]*memoryGeneration{}}
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
	g := &memoryGeneration{
		index:  m,
		tenant: tenant,
		token:  token,
		name:   name,
		load:   &memoryLoad{docs: map[string]json.RawMessage{}},
	}
	m.generations[tenant+"/"+name] = g
	return g, nil
}

// Documents returns the live bodies of a tenant by id; nil if nothing was ever committed.
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
	load         *memoryLoad
	lost         bool // another process has resumed it; guarded by load.mu
}

// memoryLoad is what a generation holds, whoever runs it.
type memoryLoad struct {
	mu     sync.Mutex
	docs   map[string]json.RawMessage
	closed bool // to those who have joined
	ended  bool // committed or aborted
}

func (g *memoryGeneration) Write(ctx context.Context, batch []reindex.Product) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	g.load.mu.Lock()
	defer g.load.mu.Unlock()
	for _, p := range batch {
		g.load.docs[p.ID] = append(json.RawMessage(nil), p.Body...)
	}
	return nil
}

// Edit carries changes out in the generation.
func (g *memoryGeneration) Edit(ctx context.Context, changes []reindex.Change) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	g.load.mu.Lock()
	defer g.load.mu.Unlock()
	if g.load.ended {
		return fmt.Errorf("%s has ended", g.name)
	}
	edit(g.load.docs, changes)
	return nil
}

// Flush has nothing to wait for. Those who have joined can write no more.
func (g *memoryGeneration) Flush(ctx context.Context) ([]reindex.ItemError, error) {
	g.load.mu.Lock()
	defer g.load.mu.Unlock()
	g.load.closed = true
	return nil, ctx.Err()
}

// Name returns the generation's number.
func (g *memoryGeneration) Name() string { return g.name }

func (g *memoryGeneration) Seal(ctx context.Context) (reindex.Sealed, error) {
	g.load.mu.Lock()
	defer g.load.mu.Unlock()
	live := int64(-1)
	if docs := g.index.Documents(g.tenant); docs != nil {
		live = int64(len(docs))
	}
	return reindex.Sealed{Documents: int64(len(g.load.docs)), Live: live}, ctx.Err()
}

func (g *memoryGeneration) Commit(ctx context.Context) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	var err error
	g.end(func() {
		if g.lost || g.token < g.index.fences[g.tenant].token {
			err = fmt.Errorf("tenant %s, token %d: %w", g.tenant, g.token, reindex.ErrFenced)
			return
		}
		g.index.live[g.tenant] = maps.Clone(g.load.docs)
		g.load.ended = true
	})
	return err
}

// Abort discards the generation, unless another process has resumed it.
func (g *memoryGeneration) Abort(context.Context) error {
	g.end(func() {
		if g.lost {
			return
		}
		g.load.ended = true
		delete(g.index.generations, g.tenant+"/"+g.name)
		if seen := g.index.fences[g.tenant]; seen.token == g.token {
			g.index.fences[g.tenant] = fence{g.token, true}
		}
	})
	return nil
}

// end calls f, unless the generation has ended, and counts it as no longer open if that has ended it.
func (g *memoryGeneration) end(f func()) {
	g.load.mu.Lock()
	defer g.load.mu.Unlock()
	g.index.mu.Lock()
	defer g.index.mu.Unlock()
	if g.load.ended {
		return
	}
	f()
	if g.load.ended {
		g.index.open--
	}
}
