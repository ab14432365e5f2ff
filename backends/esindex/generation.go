package esindex

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"github.com/elastic/go-elasticsearch/v8/esapi"

	"productindex/reindex"
)

// generation is an index that a run fills, or a kept index that a rollback has opened.
type generation struct {
	ix         *Index
	names      names
	name       string
	before     target                // the indexes that the alias pointed to at Begin
	token      int64                 // the run's fencing token; 0 if it has none
	seen       map[string]entry      // during Begin, the generations of the tenant
	templated  map[string]definition // the aliases that templates added to the index, which Commit restores
	found      map[string]any        // the settings that the index was created with
	restore    map[string]any        // those of them that differ during the load
	unsearched []string              // fields that are stored but not searched
	survey     survey
	fences     atomic.Int32
	committed  atomic.Bool
	retired    []string // the indexes that are no longer used after the switch
	pulse      pulse

	marking   sync.Mutex
	documents *int64 // the count of Seal, for the mark

	steps   int // the number of steps of Seal that are done
	sealed  reindex.Sealed
	edited  bool // edited since the last refresh
	recount bool // edited since the last Seal

	kept *keeping // of a kept index in a rollback; nil for a new index
	left bool     // the rollback has ended without a switch, and the index stays kept
	over sync.Once
}

// fence returns the name of the generation's current fence, an alias of its index alone. The switch removes the fence
// in the same atomic call and fails if it is missing. So removing the fence rules out a switch whose answer was lost
// and that may still be in progress. Writes of the load go to the first fence.
func (g *generation) fence() string {
	if n := g.fences.Load(); n > 0 {
		return g.name + commitMark + strconv.Itoa(int(n))
	}
	return g.writeAlias()
}

func (g *generation) writeAlias() string { return g.name + writeMark }

// Name returns the name of the generation's index.
func (g *generation) Name() string { return g.name }

// Seal implements [reindex.Generation]. It makes all writes durable, restores the settings that differ during the load,
// waits for the replicas that the host asked for, and counts the products. Another call continues with the step that
// failed, or starts again after an Edit.
//
// If the live index cannot be counted because it is closed, blocked or lacks shards, Seal uses the number of products
// from when it was sealed, without the later changes of Edit and [Index.Update].
func (g *generation) Seal(ctx context.Context) (reindex.Sealed, error) {
	if err := ctx.Err(); err != nil {
		return reindex.Sealed{}, err
	}
	if g.survey.hasBegun() {
		return reindex.Sealed{}, g.conclude(ctx)
	}
	if g.recount {
		g.steps, g.recount = 0, false
	}
	steps := []func(context.Context) error{
		g.flush, g.restoreSettings, g.refresh, g.awaitReplicas, g.countDocuments, g.countIgnored, g.noteDocuments,
		g.countLive,
	}
	for g.steps < len(steps) {
		if err := steps[g.steps](ctx); err != nil {
			return reindex.Sealed{}, err
		}
		g.steps++
	}
	return g.sealed, nil
}

func (g *generation) flush(ctx context.Context) error {
	wait := true
	req := esapi.IndicesFlushRequest{Index: []string{g.name}, WaitIfOngoing: &wait}
	return call(ctx, g.ix.transport, "flushing index "+g.name, req, nil)
}

// restoreSettings restores the settings that differ during the load. The number of shard copies that writes wait for
// comes last, since that many copies must exist first.
func (g *generation) restoreSettings(ctx context.Context) error {
	first, last := apart(g.restore, activeShards)
	return g.set(ctx, first, last)
}

// apart splits the settings into the named one and all others.
func apart(settings map[string]any, name string) (others, alone map[string]any) {
	others, alone = maps.Clone(settings), map[string]any{}
	if value, set := others[name]; set {
		delete(others, name)
		alone[name] = value
	}
	return others, alone
}

// set applies groups of settings, one call for each group.
func (g *generation) set(ctx context.Context, groups ...map[string]any) error {
	for _, settings := range groups {
		if len(settings) == 0 {
			continue
		}
		req := esapi.IndicesPutSettingsRequest{Index: []string{g.name}, Body: jsonBody(settings)}
		if err := call(ctx, g.ix.transport, "changing the settings of index "+g.name, req, nil); err != nil {
			return err
		}
	}
	return nil
}

func (g *generation) refresh(ctx context.Context) error {
	if err := g.ix.refresh(ctx, g.name); err != nil {
		return err
	}
	g.edited = false
	return nil
}

func (g *generation) countDocuments(ctx context.Context) (err error) {
	g.sealed.Documents, err = g.ix.count(ctx, g.name)
	return err
}

// noteDocuments stores the number of products in the mark, which can be read even if the index itself cannot. Later
// changes do not update the number: each would need a change of the index's mappings.
func (g *generation) noteDocuments(ctx context.Context) error {
	if g.kept != nil { // the mark belongs to the run that built the index
		return nil
	}
	counted := g.sealed.Documents
	g.marking.Lock()
	g.documents = &counted
	g.marking.Unlock()
	return g.writeMark(ctx)
}

func (g *generation) countLive(ctx context.Context) (err error) {
	g.sealed.Live, g.sealed.LiveErr, err = g.ix.countLive(ctx, g.names)
	return err
}

// errPartial means that some shards of an index did not answer.
var errPartial = errors.New("some of its shards did not answer")

// count returns the number of products in one index. It returns an error unless all shards answer.
func (ix *Index) count(ctx context.Context, index string) (int64, error) {
	var answer struct {
		Count  int64
		Shards struct{ Total, Successful int } `json:"_shards"`
	}
	what := "counting index " + index
	if err := call(ctx, ix.transport, what, esapi.CountRequest{Index: []string{index}}, &answer); err != nil {
		return 0, err
	}
	if answer.Shards.Successful < answer.Shards.Total {
		return 0, reindex.Temporary(reindex.Public(
			fmt.Errorf("esindex: %s: %w: %d of %d did", what, errPartial, answer.Shards.Successful, answer.Shards.Total),
			"not all shards of the index are available"))
	}
	return answer.Count, nil
}

// countLive returns the number of products in the tenant's live index, whatever the filter of the alias, or -1 if there
// is no live index. For an index that cannot be counted it uses the number in the mark; if the mark has none, unknown
// is the reason.
func (ix *Index) countLive(ctx context.Context, n names) (sum int64, unknown, err error) {
	t, err := ix.behind(ctx, n)
	switch {
	case err != nil:
		return 0, nil, err
	case t.concrete:
		t.indexes = map[string]entry{n.live: {}}
	case len(t.indexes) == 0:
		return -1, nil, nil
	}
	for index, e := range t.indexes {
		count, err := ix.count(ctx, index)
		m := e.Mappings.Meta.Mark
		switch {
		case err == nil:
			sum += count
		case hasType(err, typeNotFound):
			return 0, nil, reindex.Temporary(err) // it was deleted meanwhile
		case !uncountable(err):
			return 0, nil, err
		case m != nil && m.Documents != nil:
			ix.cfg.Logger.WarnContext(ctx, "cannot count the live index; using the number of products from when it was sealed",
				"index", index, "products", *m.Documents, "error", err)
			sum += *m.Documents
		default:
			unknown = fmt.Errorf("%w; its mark has no number of products", permanent(err))
		}
	}
	return sum, unknown, nil
}

// uncountable reports whether err is caused by the index itself rather than by the connection or the load of the
// server.
func uncountable(err error) bool {
	if err == nil {
		return false
	}
	temporary := isTemporary(err)
	answer, isAnswer := errors.AsType[*ServerError](err)
	switch {
	case errors.Is(err, errPartial):
		return true
	case !isAnswer || answer.Status == http.StatusTooManyRequests && temporary:
		return false
	case !temporary:
		return true
	}
	return hasType(err, "search_phase_execution_exception", "no_shard_available_action_exception",
		"unavailable_shards_exception")
}

// replicaInterval is the interval at which Seal checks the replicas.
const replicaInterval = 200 * time.Millisecond

// awaitReplicas waits until every shard copy is available, if the host has asked for replicas.
func (g *generation) awaitReplicas(ctx context.Context) error {
	if !g.ix.settings.wait {
		return nil
	}
	limit := time.NewTimer(g.ix.cfg.ReplicaTimeout)
	defer limit.Stop()
	tick := time.NewTicker(replicaInterval)
	defer tick.Stop()
	req := esapi.IndicesStatsRequest{Index: []string{g.name}, Metric: []string{"docs"}, FilterPath: []string{"_shards"}}
	for {
		var answer struct {
			Shards struct{ Total, Successful int } `json:"_shards"`
		}
		if err := call(ctx, g.ix.transport, "waiting for the replicas of index "+g.name, req, &answer); err != nil {
			return err
		}
		if answer.Shards.Successful >= answer.Shards.Total {
			return nil
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return ctx.Err()
		case <-limit.C:
			text := fmt.Sprintf("%d of the %d shard copies that its settings ask for, after %v; add nodes or lower "+
				"number_of_replicas",
				answer.Shards.Successful, answer.Shards.Total, g.ix.cfg.ReplicaTimeout)
			return reindex.Public(fmt.Errorf("esindex: index %s has %s", g.name, text), "the index has "+text)
		}
	}
}

// end marks the generation as no longer in use by this process.
func (g *generation) end() {
	g.over.Do(func() {
		g.pulse.stop()
		g.ix.setOpen(g.name, false)
	})
}
