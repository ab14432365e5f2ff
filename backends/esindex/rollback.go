package esindex

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"strings"

	"github.com/elastic/go-elasticsearch/v8/esapi"

	"productindex/reindex"
)

var _ reindex.Rollbacker = (*Index)(nil)

// Rollback implements [reindex.Rollbacker]. It needs Config.KeepPrevious. Rollback refuses an index that is closed,
// blocked for searches, lacks shards, or holds fewer products than when it was replaced. A refusal changes nothing.
//
// Commit moves the tenant's alias in one call, with its filter, its routing and the further aliases of the live index.
// It keeps the replaced index whatever Config.KeepPrevious is; the next run deletes indexes beyond that number.
func (ix *Index) Rollback(ctx context.Context, tenant, generation string) (reindex.Generation, error) {
	if err := reindex.CheckTenant(tenant); err != nil {
		return nil, fmt.Errorf("esindex: %w", err)
	}
	g, err := ix.goBack(ctx, tenant, generation)
	if err != nil {
		return nil, err // a nil *generation is not a nil reindex.Generation
	}
	return g, nil
}

func (ix *Index) goBack(ctx context.Context, tenant, name string) (*generation, error) {
	n := ix.names(tenant)
	entries, err := ix.look(ctx, n.live, n.live+"-*")
	if err != nil {
		return nil, err
	}
	before := n.behind(entries)
	k, err := before.choose(n, n.keptAmong(entries), name)
	if err != nil {
		return nil, err
	}
	count, err := ix.count(ctx, k.index)
	if err = k.holds(count, err); err != nil {
		return nil, fmt.Errorf("esindex: tenant %s cannot roll back to index %s; nothing was changed: %w", tenant, k.index,
			err)
	}
	g := &generation{ix: ix, names: n, name: k.index, before: before, kept: &k.keeping}
	g.token, _ = reindex.Fence(ctx)
	g.found = flat(k.entry.Settings.Index)
	if m := k.entry.Mappings.Meta.Mark; m != nil {
		g.unsearched = m.Unsearched
	}
	if err := g.overtaken(entries); err != nil {
		return nil, err
	}
	ix.setOpen(g.name, true)
	if err := g.claim(ctx, k.entry); err != nil {
		g.end()
		return nil, err
	}
	if err := g.takeOverOthers(ctx); err != nil {
		return nil, errors.Join(err, g.leave(ctx))
	}
	return g, nil
}

// choose returns the kept index of that name, or the latest replaced one if the name is empty.
func (t target) choose(n names, kept []keptIndex, name string) (keptIndex, error) {
	if t.concrete {
		return keptIndex{}, reindex.Public(
			fmt.Errorf("esindex: an index has the name %s, which the alias of the tenant needs; delete it first", n.live),
			"an index has the name that the tenant's alias needs; delete it first")
	}
	if _, live := t.indexes[name]; live {
		return keptIndex{}, fmt.Errorf("esindex: tenant %s: index %s: %w", n.tenant, name, reindex.ErrCommitted)
	}
	if _, err := t.definition(n); err != nil {
		return keptIndex{}, err
	}
	for _, k := range kept {
		if name == "" || k.index == name {
			return k, nil
		}
	}
	if name == "" {
		return keptIndex{}, fmt.Errorf("esindex: tenant %s: %w; set Config.KeepPrevious to keep replaced generations",
			n.tenant, reindex.ErrNoPrevious)
	}
	return keptIndex{}, fmt.Errorf("esindex: tenant %s, index %s: %w", n.tenant, name, reindex.ErrNoPrevious)
}

// damaged returns an error that matches [reindex.ErrDamaged], with the reason.
func damaged(err error) error { return fmt.Errorf("%w: %w", reindex.ErrDamaged, err) }

// overtaken returns an error that matches [reindex.ErrFenced] if a run with the same or a greater token has begun, or
// has begun a rollback to the same index.
func (g *generation) overtaken(entries map[string]entry) error {
	if g.token == 0 {
		return nil
	}
	newer := g.newer(g.names.marked(entries))
	if token := entries[g.name].token(g.name); token > g.token || token == g.token && g.ix.isOpen(g.name) {
		newer = g.name
	}
	if newer != "" {
		return fmt.Errorf("esindex: index %s: %w: its index is %s", g.name, reindex.ErrFenced, newer)
	}
	return nil
}

// fenceStep is the distance between the first fences of two rollbacks to the same index. Each process increments its
// own fence when the answer to a switch is lost.
const fenceStep = 1000

// claim makes this process the owner of the kept index, in one step. From then on, the switch and the edits of an
// earlier owner fail.
func (g *generation) claim(ctx context.Context, e entry) error {
	last := 0
	var actions []action
	for alias := range e.Aliases {
		if !isOwn(g.name, alias) {
			continue
		}
		actions = append(actions, removeAlias(g.name, alias))
		if text, ok := strings.CutPrefix(alias, g.name+commitMark); ok {
			if n, err := strconv.Atoi(text); err == nil {
				last = max(last, n)
			}
		}
	}
	g.fences.Store(int32((last/fenceStep + 1) * fenceStep))
	actions = append(actions, addAlias(g.name, g.fence(), hiddenDefinition()), removeAlias(g.name, g.kept.alias),
		addAlias(g.name, g.kept.alias, hiddenDefinition()))
	if g.token > 0 {
		actions = append(actions, addAlias(g.name, g.run(), hiddenDefinition()))
	}
	err := g.ix.updateAliases(ctx, "opening index "+g.name+" for a rollback", actions)
	if hasStatus(err, http.StatusNotFound) {
		return reindex.Temporary(permanent(err)) // it became live, was deleted, or was claimed by another process meanwhile
	}
	return err
}

// takeOverOthers makes sure that no run with a smaller token can switch any more.
func (g *generation) takeOverOthers(ctx context.Context) (err error) {
	if g.token == 0 {
		return nil
	}
	if g.seen, err = g.ix.marked(ctx, g.names); err != nil {
		return err
	}
	return g.takeOver(ctx)
}

// switchBack returns the actions of a switch to a kept index, except for those that move the tenant's aliases.
func (g *generation) switchBack() []action {
	actions := []action{removeAlias(g.name, g.fence()), removeAlias(g.name, g.kept.alias)}
	if g.token > 0 { // the run alias stays, because the mark has an older token
		actions = append(actions, g.confirm()...)
	}
	return actions
}

// noteEdit removes the number of products from the kept alias, since an edit can change it.
func (g *generation) noteEdit(ctx context.Context) error {
	if g.kept == nil || g.kept.documents < 0 {
		return nil
	}
	noted := keeping{g.names.keptAlias(g.kept.replaced, -1), g.kept.replaced, -1}
	err := g.ix.updateAliases(ctx, "noting that index "+g.name+" is edited", []action{
		removeAlias(g.name, g.fence()), addAlias(g.name, g.fence(), hiddenDefinition()),
		dropAlias(g.name, g.kept.alias), addAlias(g.name, noted.alias, hiddenDefinition()),
	})
	if hasStatus(err, http.StatusNotFound) {
		return g.fencedOr(ctx, permanent(err))
	}
	if err == nil {
		g.kept = &noted
	}
	return err
}

// leave ends a rollback that was not committed. The index stays kept.
func (g *generation) leave(ctx context.Context) error {
	g.left = true
	g.end()
	for {
		entries, err := g.ix.look(ctx, g.name)
		e := entries[g.name]
		if err != nil || !e.fencedBy(g.fence()) || e.published(g.names, g.name) || g.resumed(e) {
			return err
		}
		actions := []action{removeAlias(g.name, g.fence())}
		if e.fencedBy(g.run()) {
			actions = append(actions, removeAlias(g.name, g.run()))
		}
		if err = g.ix.updateAliases(ctx, "leaving index "+g.name+" as it was", actions); !hasStatus(err,
			http.StatusNotFound) {
			return err
		}
	}
}

// Generations implements [reindex.Rollbacker].
func (ix *Index) Generations(ctx context.Context, tenant string) ([]reindex.GenerationInfo, error) {
	if err := reindex.CheckTenant(tenant); err != nil {
		return nil, fmt.Errorf("esindex: %w", err)
	}
	n := ix.names(tenant)
	entries, err := ix.look(ctx, n.live, n.live+"-*")
	if err != nil {
		return nil, err
	}
	t := n.behind(entries)
	if t.concrete {
		t.indexes = map[string]entry{n.live: entries[n.live]}
	}
	var infos []reindex.GenerationInfo
	for _, index := range t.sorted() {
		infos = append(infos, reindex.GenerationInfo{Name: index, Live: true, Created: t.indexes[index].created()})
	}
	for _, k := range n.keptAmong(entries) {
		infos = append(infos, reindex.GenerationInfo{Name: k.index, Created: k.entry.created(), Replaced: k.replaced})
	}
	for i := range infos {
		ix.measure(ctx, &infos[i])
	}
	return infos, ctx.Err()
}

// measure fills in the number of products of an index and its size on disk, in bytes. Each is -1 if it is not known.
func (ix *Index) measure(ctx context.Context, info *reindex.GenerationInfo) {
	var err error
	if info.Documents, err = ix.count(ctx, info.Name); err != nil {
		info.Documents = -1
	}
	var answer struct {
		All struct {
			Total struct {
				Store struct {
					Size *int64 `json:"size_in_bytes"`
				} `json:"store"`
			} `json:"total"`
		} `json:"_all"`
	}
	info.Bytes = -1
	if err == nil {
		req := esapi.IndicesStatsRequest{
			Index: []string{info.Name}, Metric: []string{"store"}, FilterPath: []string{"_all.total.store.size_in_bytes"},
		}
		err = call(ctx, ix.transport, "measuring index "+info.Name, req, &answer)
	}
	if size := answer.All.Total.Store.Size; size != nil {
		info.Bytes = *size
	}
	if err != nil {
		ix.cfg.Logger.WarnContext(ctx, "cannot get the size of an index", "index", info.Name, "error", err)
	}
}
