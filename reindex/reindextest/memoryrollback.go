package reindextest

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"time"

	"productindex/reindex"
)

// kept is a generation that is or was live.
type kept struct {
	name              string
	docs              map[string]json.RawMessage
	edited            bool
	created, replaced time.Time
}

// publish makes a generation live and keeps the former one. m.mu and g.load.mu must be held.
func (m *Memory) publish(g *memoryGeneration) {
	others := slices.DeleteFunc(slices.Clone(m.kept[g.tenant]), func(k *kept) bool { return k.name == g.name })
	if before := m.live[g.tenant]; before != nil {
		before.replaced = time.Now().UTC()
		others = slices.Insert(others, 0, before)
	}
	m.kept[g.tenant] = others[:min(len(others), m.KeepPrevious)]
	m.live[g.tenant] = &kept{name: g.name, docs: maps.Clone(g.load.docs), edited: g.load.edited, created: g.created}
}

// Generations implements [reindex.Rollbacker].
func (m *Memory) Generations(ctx context.Context, tenant string) ([]reindex.GenerationInfo, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	var infos []reindex.GenerationInfo
	if live := m.live[tenant]; live != nil {
		infos = append(infos, live.info(true))
	}
	for _, k := range m.kept[tenant] {
		infos = append(infos, k.info(false))
	}
	return infos, ctx.Err()
}

func (k *kept) info(live bool) reindex.GenerationInfo {
	info := reindex.GenerationInfo{
		Name: k.name, Live: live, Edited: k.edited, Created: k.created, Replaced: k.replaced,
		Documents: int64(len(k.docs)),
	}
	for _, body := range k.docs {
		info.Bytes += int64(len(body))
	}
	return info
}

// Rollback implements [reindex.Rollbacker].
func (m *Memory) Rollback(ctx context.Context, tenant, generation string) (reindex.Generation, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if live := m.live[tenant]; live != nil && live.name == generation {
		return nil, fmt.Errorf("tenant %s, %s: %w", tenant, generation, reindex.ErrCommitted)
	}
	i := slices.IndexFunc(m.kept[tenant], func(k *kept) bool { return generation == "" || k.name == generation })
	if i < 0 {
		return nil, fmt.Errorf("tenant %s, %q: %w", tenant, generation, reindex.ErrNoPrevious)
	}
	token, err := m.pass(ctx, tenant)
	if err != nil {
		return nil, err
	}
	m.open++
	k := m.kept[tenant][i]
	load := &memoryLoad{docs: maps.Clone(k.docs), sealed: true, closed: true, edited: k.edited}
	return &memoryGeneration{
		index: m, tenant: tenant, name: k.name, token: token, created: k.created, load: load, kept: k,
	}, nil
}
