package esindex

import (
	"context"
	"fmt"
	"strconv"
	"sync/atomic"
	"time"

	"github.com/elastic/go-elasticsearch/v8/esapi"

	"productindex/reindex"
)

// generation is one index in the making.
type generation struct {
	ix            *Index
	tenant, alias string
	name          string
	live          target // what searches saw at Begin
	token         int64  // the run's fencing token; 0 where it has none
	fences        atomic.Int32
	committed     atomic.Bool
	pulse         pulse

	steps  int // of Seal that are done
	sealed reindex.Sealed
}

// fence is an alias of this generation alone. The switch-over removes it in the same atomic call and fails where it is not there. So a
// switch-over whose answer was lost, and which may still be under way, can be ruled out for ever by removing the fence before it. Writes
// go to the first fence.
func (g *generation) fence() string {
	if n := g.fences.Load(); n > 0 {
		return g.name + ".commit" + strconv.Itoa(int(n))
	}
	return g.writeAlias()
}

func (g *generation) writeAlias() string { return g.name + ".write" }

// Flush implements [reindex.Writer]. The answer to a write says what became of each product: there is nothing to wait for.
func (g *generation) Flush(ctx context.Context) ([]reindex.ItemError, error) { return nil, ctx.Err() }

// Name returns the name of the generation's index.
func (g *generation) Name() string { return g.name }

// Seal implements [reindex.Generation]. It makes everything durable, sets the settings that were off while loading, waits for the
// replicas that the host asked for, and counts. Live is -1, too, while the live index is closed. When it is called again it goes on
// with the step that failed.
func (g *generation) Seal(ctx context.Context) (reindex.Sealed, error) {
	if err := ctx.Err(); err != nil {
		return reindex.Sealed{}, err
	}
	steps := []func(context.Context) error{
		g.flush, g.restoreSettings, g.refresh, g.awaitReplicas, g.countDocuments, g.countLive,
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

func (g *generation) restoreSettings(ctx context.Context) error {
	req := esapi.IndicesPutSettingsRequest{Index: []string{g.name}, Body: jsonBody(g.ix.settings.restore)}
	return call(ctx, g.ix.transport, "setting the settings of index "+g.name, req, nil)
}

func (g *generation) refresh(ctx context.Context) error {
	return call(ctx, g.ix.transport, "refreshing index "+g.name, esapi.IndicesRefreshRequest{Index: []string{g.name}}, nil)
}

func (g *generation) countDocuments(ctx context.Context) (err error) {
	g.sealed.Documents, err = g.ix.count(ctx, g.name)
	return err
}

func (g *generation) countLive(ctx context.Context) (err error) {
	g.sealed.Live, err = g.ix.count(ctx, g.alias)
	if hasType(err, "index_not_found_exception", "index_closed_exception") {
		g.sealed.Live, err = -1, nil
	}
	return err
}

// count counts the documents behind a name. Of a live index with missing shards it counts those that searches see.
func (ix *Index) count(ctx context.Context, name string) (int64, error) {
	var answer struct {
		Count  int64
		Shards struct{ Total, Successful int } `json:"_shards"`
	}
	what := "counting " + name
	if err := call(ctx, ix.transport, what, esapi.CountRequest{Index: []string{name}}, &answer); err != nil {
		return 0, err
	}
	if ix.isOpen(name) && answer.Shards.Successful < answer.Shards.Total {
		return 0, reindex.Temporary(fmt.Errorf("elasticsearch: %s: %d of %d shards answered", what, answer.Shards.Successful, answer.Shards.Total))
	}
	return answer.Count, nil
}

// replicaInterval is how often Seal looks whether the replicas are there.
const replicaInterval = 200 * time.Millisecond

// awaitReplicas waits until every copy of every shard is there, where the host has asked for replicas.
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
			return fmt.Errorf("elasticsearch: index %s has %d of the %d shard copies that its settings ask for, after %v; "+
				"add nodes or set number_of_replicas lower", g.name, answer.Shards.Successful, answer.Shards.Total, g.ix.cfg.ReplicaTimeout)
		}
	}
}

// end notes that the generation is no longer in use.
func (g *generation) end() {
	g.pulse.stop()
	g.ix.setOpen(g.name, false)
}
