package reindextest

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"sync"
	"time"

	"productindex/reindex"
)

// Memory is the reference [reindex.Indexer]: maps in memory. Use NewMemory. It is safe for concurrent use.
type Memory struct {
	// KeepPrevious is how many generations of a tenant that were live are kept. It is set before the first call.
	KeepPrevious int

	mu   sync.Mutex
	live map[string]*kept   // by tenant
	kept map[string][]*kept // by tenant, the one that was replaced last first

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
	return &Memory{live: map[string]*kept{}, kept: map[string][]*kept{}, fences: map[string]fence{},
		generations: map[string]*memoryGeneration{}}
}

// Begin opens a generation.
func (m *Memory) Begin(ctx context.Context, tenant string) (reindex.Generation, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	token, err := m.pass(ctx, tenant)
	if err != nil {
		return nil, err
	}
	m.open++
	m.begun++
	name := fmt.Sprintf("generation-%d", m.begun)
	g := &memoryGeneration{
		index:   m,
		tenant:  tenant,
		token:   token,
		name:    name,
		created: time.Now().UTC(),
		load:    &memoryLoad{docs: map[string]json.RawMessage{}},
	}
	m.generations[tenant+"/"+name] = g
	return g, nil
}

// pass returns the token of a run that begins, unless a newer one has begun. m.mu is held.
func (m *Memory) pass(ctx context.Context, tenant string) (token int64, err error) {
	token, _ = reindex.Fence(ctx)
	if seen := m.fences[tenant]; token > 0 && (token < seen.token || token == seen.token && !seen.free) {
		return 0, fmt.Errorf("tenant %s, token %d: %w", tenant, token, reindex.ErrFenced)
	}
	if token > 0 {
		m.fences[tenant] = fence{token: token}
	}
	return token, nil
}

// Documents returns the live bodies of a tenant by id; nil if nothing was ever committed.
func (m *Memory) Documents(tenant string) map[string]json.RawMessage {
	m.mu.Lock()
	defer m.mu.Unlock()
	if live := m.live[tenant]; live != nil {
		return live.docs
	}
	return nil
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
	live := m.live[tenant]
	if live == nil {
		return reindex.ErrNoLiveIndex
	}
	live.docs = maps.Clone(live.docs) // searches read the old ones
	edit(live.docs, changes)
	live.edited = true
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
	created      time.Time
	load         *memoryLoad
	lost         bool  // another process has resumed it; guarded by load.mu
	kept         *kept // what it goes back to; nil if it is a new one
}

// memoryLoad is what a generation holds, whoever runs it.
type memoryLoad struct {
	mu     sync.Mutex
	docs   map[string]json.RawMessage
	closed bool // to those who have joined
	ended  bool // committed or aborted
	sealed bool // once
	edited bool // after that
}

func (g *memoryGeneration) Write(ctx context.Context, batch []reindex.Product) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	g.load.mu.Lock()
	defer g.load.mu.Unlock()
	if g.kept != nil {
		return fmt.Errorf("%s is complete, it takes no more products", g.name)
	}
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
	g.load.edited = g.load.edited || g.load.sealed
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
	g.load.sealed = true
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
	err := fmt.Errorf("%s has ended", g.name)
	g.end(func() {
		err = nil
		if g.lost || g.token < g.index.fences[g.tenant].token {
			err = fmt.Errorf("tenant %s, token %d: %w", g.tenant, g.token, reindex.ErrFenced)
			return
		}
		if g.kept != nil && !slices.Contains(g.index.kept[g.tenant], g.kept) {
			err = fmt.Errorf("tenant %s, %s is not kept any more: %w", g.tenant, g.name, reindex.ErrNoPrevious)
			return
		}
		g.index.publish(g)
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
