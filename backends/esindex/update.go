package esindex

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/elastic/go-elasticsearch/v8/esapi"

	"productindex/reindex"
)

var (
	_ reindex.Updater = (*Index)(nil)
	_ reindex.Settler = (*Index)(nil)
	_ reindex.Editor  = (*generation)(nil)
)

// Update implements [reindex.Updater]. It writes to the live index through the tenant's alias, and never creates an
// index. An index that has the name of the alias does not count as live. Many changes become up to four requests, which
// are sent at the same time. Searches see the changes after the index's refresh_interval, or after Settle.
//
// Update returns an error that is not temporary if the alias points to several indexes, accepts no writes, or has a
// routing that sends products to other shards than a run does. Even then, the changes may have been written if the last
// Update was less than a second ago; Update may not notice it for a tenth of a second. Update rejects the same products
// as Write. A deletion with an id that no product can have succeeds.
func (ix *Index) Update(ctx context.Context, tenant string, changes []reindex.Change) error {
	if err := reindex.CheckTenant(tenant); err != nil {
		return err
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	n := ix.names(tenant)
	sent, unfit := operations(changes)
	if done, err := ix.updateAgain(ctx, n, sent, unfit); done {
		return err
	}
	w, err := ix.liveWriter(ctx, n)
	if err != nil {
		return err
	}
	ix.noteLive(tenant, w)
	err = w.writeTogether(ctx, sent, unfit)
	if !hasType(err, typeNotFound) {
		return err
	}
	if _, gone := ix.liveWriter(ctx, n); gone != nil {
		return gone
	}
	return reindex.Temporary(err) // another index is live now
}

// updateAgain writes the changes to the index of the tenant's last Update, if that was less than lookAgain ago. It also
// checks whether that index is still live and still accepts updates: at the same time, or, less than lookAlong after
// the last check, only if the write fails. If not, or if there was no such Update, it reports false, and the caller
// must write the changes again.
func (ix *Index) updateAgain(
	ctx context.Context, n names, sent []reindex.Product, unfit []reindex.ItemError,
) (done bool, err error) {
	w, age, known := ix.lastLive(n.tenant)
	if !known {
		return false, nil
	}
	var now writer
	changed := errGone
	look := func() {
		changed = rescue(func() (err error) {
			now, err = ix.liveWriter(ctx, n)
			return err
		})
	}
	var looking sync.WaitGroup
	defer looking.Wait()
	if age >= lookAlong {
		looking.Go(look)
	}
	err = w.writeTogether(ctx, sent, unfit)
	switch {
	case age >= lookAlong:
		looking.Wait()
	case err == nil:
		return true, nil
	default:
		look()
	}
	if changed != nil || now.index != w.index || hasType(err, typeNotFound) {
		ix.forgetLive(n.tenant)
		return false, nil
	}
	ix.noteLive(n.tenant, now)
	return true, err
}

const (
	// lookAgain is the time after which Update looks at the live index before it writes.
	lookAgain = time.Second
	// lookAlong is the time after which Update looks at the live index while it writes. A look is work for the server.
	lookAlong = 100 * time.Millisecond
)

// lookedAt is the writer of a live index, and the time at which the index was seen to accept updates.
type lookedAt struct {
	writer writer
	when   time.Time
}

// lastLive returns the writer that noteLive recorded, and how long ago that was. It reports whether that was less than
// lookAgain ago.
func (ix *Index) lastLive(tenant string) (w writer, age time.Duration, known bool) {
	ix.mu.Lock()
	defer ix.mu.Unlock()
	last, known := ix.live[tenant]
	age = ix.now().Sub(last.when)
	return last.writer, age, known && age < lookAgain
}

func (ix *Index) noteLive(tenant string, w writer) {
	ix.mu.Lock()
	defer ix.mu.Unlock()
	ix.live[tenant] = lookedAt{w, ix.now()}
}

func (ix *Index) forgetLive(tenant string) {
	ix.mu.Lock()
	defer ix.mu.Unlock()
	delete(ix.live, tenant)
}

// Settle implements [reindex.Settler]. It refreshes the live index. Without a live index it returns nil.
func (ix *Index) Settle(ctx context.Context, tenant string) error {
	if err := reindex.CheckTenant(tenant); err != nil {
		return err
	}
	err := ix.refresh(ctx, ix.Alias(tenant))
	if hasType(err, typeNotFound) {
		return nil
	}
	return err
}

// Edit implements [reindex.Editor]. After such edits Commit refreshes the index, so that searches see them from the
// switch on.
func (g *generation) Edit(ctx context.Context, changes []reindex.Change) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	if g.left {
		return fmt.Errorf("esindex: cannot edit index %s: its rollback has ended", g.name)
	}
	if err := g.noteEdit(ctx); err != nil {
		return err
	}
	g.edited, g.recount = true, true
	sent, unfit := operations(changes)
	err := g.writer(g.fence()).writeTogether(ctx, sent, unfit)
	if hasType(err, typeNotFound) {
		return g.fencedOr(ctx, err)
	}
	if err == nil && g.steps > 0 && len(sent) >= editsPerRefresh {
		return g.refresh(ctx)
	}
	return err
}

// editsPerRefresh is the number of edits after Seal that are worth a refresh of their own. Without it, Commit would
// refresh them, while the engine holds changes of the live index.
const editsPerRefresh = 400

// showEdits refreshes the generation if it was edited since the last refresh.
func (g *generation) showEdits(ctx context.Context) error {
	if !g.edited {
		return nil
	}
	return g.refresh(ctx)
}

// operations returns the changes as arguments of write: the products and deletions to send, and the upserts that must
// not be sent. It leaves out a deletion with an id that no product can have.
func operations(changes []reindex.Change) (sent []reindex.Product, unfit []reindex.ItemError) {
	sent = make([]reindex.Product, 0, len(changes))
	for _, c := range changes {
		if c.Delete {
			if c.ID != "" && len(c.ID) <= maxIDBytes {
				sent = append(sent, reindex.Product{ID: c.ID})
			}
			continue
		}
		p := reindex.Product{ID: c.ID, Body: c.Body}
		if err := admissible(p); err != nil {
			unfit = append(unfit, reindex.ItemError{ID: c.ID, Err: err})
			continue
		}
		sent = append(sent, p)
	}
	return sent, unfit
}

// liveWriter returns the writer of the tenant's live index. The error matches [reindex.ErrNoLiveIndex] if there is
// none.
func (ix *Index) liveWriter(ctx context.Context, n names) (writer, error) {
	t, err := ix.behind(ctx, n)
	switch {
	case err != nil:
		return writer{}, err
	case t.concrete:
		return writer{}, fmt.Errorf("esindex: an index has the name %s, which the alias needs; the next run replaces it: "+
			"tenant %s: %w", n.live, n.tenant, reindex.ErrNoLiveIndex)
	case len(t.indexes) == 0:
		return writer{}, fmt.Errorf("esindex: tenant %s: %w", n.tenant, reindex.ErrNoLiveIndex)
	}
	if err := t.updatable(n); err != nil {
		return writer{}, err
	}
	index := t.sorted()[0]
	w := writer{ix: ix, tenant: n.tenant, index: index, alias: n.live, live: true}
	if m := t.indexes[index].Mappings.Meta.Mark; m != nil {
		w.unsearched = m.Unsearched
	}
	return w, nil
}

const (
	keyRouting = "index_routing"
	oneShard   = "1"
)

// updatable returns an error if a write through the tenant's alias would not reach the same index and shard as a write
// of a run.
func (t target) updatable(n names) error {
	if len(t.indexes) > 1 {
		return reindex.Public(
			fmt.Errorf("esindex: alias %s points to several indexes, %v, and it is not known which of them holds a given "+
				"product; remove the alias from all but one, or reindex tenant %s", n.live, t, n.tenant),
			"the tenant's alias points to several indexes, and it is not known which of them holds a given product; "+
				"reindex the tenant")
	}
	index := t.sorted()[0]
	e := t.indexes[index]
	d := e.Aliases[n.live]
	writes, set := d[keyWriteIndex]
	routing, routed := d[keyRouting]
	switch {
	case set && string(writes) != "true":
		text := "accepts no writes, because its is_write_index is false"
		return reindex.Public(fmt.Errorf("esindex: alias %s of index %s %s; set it to true", n.live, index, text),
			"the tenant's alias "+text)
	case routed && fmt.Sprint(e.Settings.Index["number_of_shards"]) != oneShard:
		return reindex.Public(
			fmt.Errorf("esindex: alias %s routes writes by %s, which puts products on other shards of index %s than a run "+
				"does; remove index_routing from the alias, and keep search_routing", n.live, routing, index),
			"the tenant's alias routes writes, which puts products on other shards than a reindex does")
	case !set && len(t.stray) > 0:
		slices.Sort(t.stray)
		return reindex.Temporary(reindex.Public(
			fmt.Errorf("esindex: alias %s also points to an index that was never live, %s, and has no write index; "+
				"remove it from that index, or reindex tenant %s", n.live, strings.Join(t.stray, ", "), n.tenant),
			"the tenant's alias has no write index; reindex the tenant"))
	}
	return nil
}

// refresh makes all earlier writes to an index or an alias visible to searches.
func (ix *Index) refresh(ctx context.Context, name string) error {
	var answer struct {
		Shards struct{ Total, Failed int } `json:"_shards"`
	}
	what := "refreshing " + name
	if err := call(ctx, ix.transport, what, esapi.IndicesRefreshRequest{Index: []string{name}}, &answer); err != nil {
		return err
	}
	if answer.Shards.Failed > 0 {
		return reindex.Temporary(reindex.Public(
			fmt.Errorf("esindex: %s: %w: %d of %d did not", what, errPartial, answer.Shards.Failed, answer.Shards.Total),
			"not all shards of the index are available"))
	}
	return nil
}
