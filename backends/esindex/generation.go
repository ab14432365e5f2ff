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

// generation is one index in the making.
type generation struct {
	ix         *Index
	names      names
	name       string
	before     target                // what the alias stood for at Begin
	token      int64                 // the run's fencing token; 0 if it has none
	seen       map[string]entry      // during Begin, the generations of the tenant
	templated  map[string]definition // the aliases that templates gave to the index, which it gets when it goes live
	found      map[string]any        // the settings that the index was created with
	restore    map[string]any        // those of them that are other ones while it is loaded
	unsearched []string              // fields that the index keeps and does not search
	survey     survey
	fences     atomic.Int32
	committed  atomic.Bool
	retired    []string // the indexes that the switch has put out of use
	pulse      pulse

	marking   sync.Mutex
	documents *int64 // counted by Seal, for the mark

	steps  int // of Seal that are done
	sealed reindex.Sealed
	edited bool // since the last refresh

	kept *keeping // of an index that is gone back to; nil of a new one
	left bool     // it was, and the index is kept
	over sync.Once
}

// fence is an alias of this generation alone. The switch removes it in the same atomic call and fails if it is not
// there. So a switch whose answer was lost, and which may still be under way, can be ruled out for ever by removing the
// fence before it. Writes go to the first fence.
func (g *generation) fence() string {
	if n := g.fences.Load(); n > 0 {
		return g.name + commitMark + strconv.Itoa(int(n))
	}
	return g.writeAlias()
}

func (g *generation) writeAlias() string { return g.name + writeMark }

// Name returns the name of the generation's index.
func (g *generation) Name() string { return g.name }

// Seal implements [reindex.Generation]. It makes everything durable, sets the settings that were off while loading,
// waits for the replicas that the host asked for, and counts. If it is called again it goes on with the step that
// failed, or begins anew after an Edit.
//
// A live index that cannot be counted, as it is closed, blocked or lacks shards, counts with as many products as it had
// when it was sealed: what Edit and [Index.Update] have added and removed since is not in that number.
func (g *generation) Seal(ctx context.Context) (reindex.Sealed, error) {
	if err := ctx.Err(); err != nil {
		return reindex.Sealed{}, err
	}
	if g.survey.hasBegun() {
		return reindex.Sealed{}, g.conclude(ctx)
	}
	if g.edited {
		g.steps = 0
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

// restoreSettings sets the settings that are other ones during the load. How many copies writes wait for comes last:
// there have to be as many.
func (g *generation) restoreSettings(ctx context.Context) error {
	first, last := apart(g.restore, activeShards)
	return g.set(ctx, first, last)
}

// apart returns the settings without one of them, and that one alone.
func apart(settings map[string]any, name string) (others, alone map[string]any) {
	others, alone = maps.Clone(settings), map[string]any{}
	if value, set := others[name]; set {
		delete(others, name)
		alone[name] = value
	}
	return others, alone
}

// set sets settings, one group after the other.
func (g *generation) set(ctx context.Context, groups ...map[string]any) error {
	for _, settings := range groups {
		if len(settings) == 0 {
			continue
		}
		req := esapi.IndicesPutSettingsRequest{Index: []string{g.name}, Body: jsonBody(settings)}
		if err := call(ctx, g.ix.transport, "setting the settings of index "+g.name, req, nil); err != nil {
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

// noteDocuments keeps the number of products with the index: it is there when the index itself cannot be read any more.
// Later changes do not correct it, as that would take a change of the index's mappings for each.
func (g *generation) noteDocuments(ctx context.Context) error {
	if g.kept != nil { // the mark is that of its run
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

// errPartial: some shards of an index did not answer.
var errPartial = errors.New("some of its shards did not answer")

// count counts the documents of one index. All of its shards have to answer.
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

// countLive counts the products in the tenant's live index, without regard to a filter of its alias; -1 if nothing is
// live. Of an index that cannot be counted it takes the number that was noted when it was sealed; unknown is why there
// is none.
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
			return 0, nil, reindex.Temporary(err) // it went away since
		case !uncountable(err):
			return 0, nil, err
		case m != nil && m.Documents != nil:
			ix.cfg.Logger.WarnContext(ctx, "the live index cannot be counted, it had so many products when it was sealed",
				"index", index, "products", *m.Documents, "error", err)
			sum += *m.Documents
		default:
			unknown = fmt.Errorf("%w; how many products it had was not noted", permanent(err))
		}
	}
	return sum, unknown, nil
}

// uncountable reports whether err is of the index itself, and not of the way to the server.
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
	return hasType(err, "search_phase_execution_exception", "no_shard_available_action_exception", "unavailable_shards_exception")
}

// replicaInterval is how often Seal looks whether the replicas are there.
const replicaInterval = 200 * time.Millisecond

// awaitReplicas waits until every copy of every shard is there, if the host has asked for replicas.
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
			text := fmt.Sprintf("%d of the %d shard copies that its settings ask for, after %v; add nodes or set number_of_replicas lower",
				answer.Shards.Successful, answer.Shards.Total, g.ix.cfg.ReplicaTimeout)
			return reindex.Public(fmt.Errorf("esindex: index %s has %s", g.name, text), "the index has "+text)
		}
	}
}

// end notes that the generation is no longer in use.
func (g *generation) end() {
	g.over.Do(func() {
		g.pulse.stop()
		g.ix.setOpen(g.name, false)
	})
}
