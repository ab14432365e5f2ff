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

// Memory is the reference implementation of [reindex.Indexer]. It keeps the documents in maps. [NewMemory] creates one.
// It is safe for concurrent use.
type Memory struct {
	// KeepPrevious is the number of formerly live generations that are kept per tenant. Set it before the first call.
	KeepPrevious int

	mu   sync.Mutex
	live map[string]*kept   // by tenant
	kept map[string][]*kept // by tenant; the last replaced one comes first

	fences map[string]fence

	generations map[string]*memoryGeneration // those that can be joined and resumed, by tenant and name

	begun, open int
}

// fence holds the greatest token that an index has seen of a tenant. The token is free if its run has discarded its
// generation, so that the run may begin again.
type fence struct {
	token int64
	free  bool
}

// NewMemory returns an empty index.
func NewMemory() *Memory {
	return &Memory{live: map[string]*kept{}, kept: map[string][]*kept{}, fences: map[string]fence{},
		generations: map[string]*memoryGeneration{}}
}

// Begin implements [reindex.Indexer].
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

// pass returns the token of a run that begins. It returns an error if a newer run has begun. m.mu must be held.
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

// Documents returns the bodies of the tenant's live documents by id, or nil if the tenant never had a live index. The
// caller must not change the map.
func (m *Memory) Documents(tenant string) map[string]json.RawMessage {
	m.mu.Lock()
	defer m.mu.Unlock()
	if live := m.live[tenant]; live != nil {
		return live.docs
	}
	return nil
}

// Open returns the number of generations that have been begun, and neither committed nor aborted.
func (m *Memory) Open() int {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.open
}

// Search is a search for [Fixture]: it returns the field "rev" of each live document by id.
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

// DocCount implements [reindex.DocCounter].
func (m *Memory) DocCount(ctx context.Context, tenant string) (int64, error) {
	docs := m.Documents(tenant)
	if docs == nil {
		return 0, reindex.ErrNoLiveIndex
	}
	return int64(len(docs)), ctx.Err()
}

// Update implements [reindex.Updater].
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
	live.docs = maps.Clone(live.docs) // searches may still read the old map
	edit(live.docs, changes)
	live.edited = true
	return nil
}

// edit applies changes to docs.
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
	lost         bool  // another process has resumed the generation; guarded by load.mu
	kept         *kept // the target of a rollback; nil for a new generation
}

// memoryLoad is the content of a generation. All processes that have begun, joined or resumed the generation share it.
type memoryLoad struct {
	mu     sync.Mutex
	docs   map[string]json.RawMessage
	closed bool // refuses the writes of processes that have joined
	ended  bool // committed or aborted
	sealed bool // sealed at least once
	edited bool // edited after the first Seal
}

func (g *memoryGeneration) Write(ctx context.Context, batch []reindex.Product) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	g.load.mu.Lock()
	defer g.load.mu.Unlock()
	if g.kept != nil {
		return fmt.Errorf("%s is complete and accepts no more products", g.name)
	}
	for _, p := range batch {
		g.load.docs[p.ID] = append(json.RawMessage(nil), p.Body...)
	}
	return nil
}

// Edit implements [reindex.Editor].
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

// Flush ends the load: it refuses further writes of processes that have joined. There is nothing to wait for.
func (g *memoryGeneration) Flush(ctx context.Context) ([]reindex.ItemError, error) {
	g.load.mu.Lock()
	defer g.load.mu.Unlock()
	g.load.closed = true
	return nil, ctx.Err()
}

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
			err = fmt.Errorf("tenant %s, %s is no longer kept: %w", g.tenant, g.name, reindex.ErrNoPrevious)
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

// end calls f unless the generation has ended. If f ends it, end counts it as no longer open.
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
