package esindex

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/elastic/go-elasticsearch/v8/esapi"

	"productindex/reindex"
)

// markKey is where the mark of a generation stands in the _meta of its mappings.
const markKey = "productindex"

// mark tells whose an index is.
type mark struct {
	Prefix string `json:"prefix"`
	Tenant string `json:"tenant"`
	// Owner is the Index that made it.
	Owner string `json:"owner"`
	// Fence is the fencing token of the run; 0 where it has none.
	Fence int64 `json:"fence,omitempty"`
	// Alive is when the owner has last shown a sign of life.
	Alive time.Time `json:"alive"`
}

// mark is the generation's, as of now.
func (g *generation) mark() mark {
	return mark{Prefix: g.ix.cfg.Prefix, Tenant: g.tenant, Owner: g.ix.owner, Fence: g.token, Alive: g.ix.now().UTC()}
}

// showLife renews the generation's mark.
func (g *generation) showLife(ctx context.Context) {
	body := jsonBody(map[string]any{"_meta": g.ix.mappings.markedMeta(g.mark())})
	err := call(ctx, g.ix.transport, "marking index "+g.name, esapi.IndicesPutMappingRequest{Index: []string{g.name}, Body: body}, nil)
	if err != nil && ctx.Err() == nil {
		g.ix.cfg.Logger.WarnContext(ctx, "a sign of life failed", "index", g.name, "error", err)
	}
}

// pulse calls a function again and again until it is stopped.
type pulse struct {
	mu      sync.Mutex
	stopped bool
	timer   *time.Timer
	cancel  context.CancelFunc
	running sync.WaitGroup
}

// start calls beat after each interval, with a context that ends after another one or when the pulse is stopped.
func (p *pulse) start(interval time.Duration, beat func(ctx context.Context)) {
	ctx, cancel := context.WithCancel(context.Background())
	p.mu.Lock()
	defer p.mu.Unlock()
	p.cancel = cancel
	p.timer = time.AfterFunc(interval, func() {
		p.mu.Lock()
		if p.stopped {
			p.mu.Unlock()
			return
		}
		p.running.Add(1)
		p.mu.Unlock()
		defer p.running.Done()
		limited, done := context.WithTimeout(ctx, interval)
		defer done()
		beat(limited)
		p.mu.Lock()
		defer p.mu.Unlock()
		if !p.stopped {
			p.timer.Reset(interval)
		}
	})
}

// stop ends the calls and waits for the one in progress. It may be called twice.
func (p *pulse) stop() {
	p.mu.Lock()
	p.stopped = true
	if p.timer != nil {
		p.timer.Stop()
		p.cancel()
	}
	p.mu.Unlock()
	p.running.Wait()
}

// Reap implements [reindex.Reaper]. A generation belongs to a dead run when it bears this tenant's mark, is neither live nor kept to go
// back to, and either was made by this Index and has ended, or has shown no sign of life for Config.ReapAfter, or has a smaller fencing
// token than ctx.
func (ix *Index) Reap(ctx context.Context, tenant string) (int, error) {
	if err := reindex.CheckTenant(tenant); err != nil {
		return 0, err
	}
	alias := ix.Alias(tenant)
	marks, err := ix.marks(ctx, tenant)
	if err != nil {
		return 0, err
	}
	token, _ := reindex.Fence(ctx)
	var (
		reaped int
		errs   []error
	)
	for index, m := range marks {
		if m.inUse || !ix.dead(index, m.mark) && !m.olderThan(token) {
			continue
		}
		deleted, err := ix.sweep(ctx, alias, index)
		if err != nil {
			errs = append(errs, err)
		} else if deleted {
			reaped++
		}
	}
	return reaped, errors.Join(errs...)
}

// found is the mark of an index, and whether the index is live or kept to go back to.
type found struct {
	mark

	inUse bool
}

// olderThan reports whether the mark is of a run that was over when the one with this token began.
func (m mark) olderThan(token int64) bool { return 0 < m.Fence && m.Fence < token }

// marks returns the marks of all generations of the tenant, by their names.
func (ix *Index) marks(ctx context.Context, tenant string) (map[string]found, error) {
	alias := ix.Alias(tenant)
	var answer map[string]struct {
		Aliases  map[string]json.RawMessage `json:"aliases"`
		Mappings struct {
			Meta map[string]mark `json:"_meta"`
		} `json:"mappings"`
	}
	err := call(ctx, ix.transport, "looking for indexes "+alias+"-*", esapi.IndicesGetRequest{
		Index: []string{alias + "-*"}, Features: "aliases,mappings", ExpandWildcards: "all",
		FilterPath: []string{"*.aliases", "*.mappings._meta." + markKey},
	}, &answer)
	if err != nil {
		return nil, err
	}
	marks := map[string]found{}
	for index, entry := range answer {
		m, marked := entry.Mappings.Meta[markKey]
		if !marked || m.Prefix != ix.cfg.Prefix || m.Tenant != tenant || !isGeneration(alias, index) {
			continue
		}
		_, live := entry.Aliases[alias]
		_, kept := entry.Aliases[previousName(alias)]
		marks[index] = found{mark: m, inUse: live || kept && ix.cfg.KeepPrevious}
	}
	return marks, nil
}

// dead reports whether nobody works on the index any more.
func (ix *Index) dead(index string, m mark) bool {
	if ix.isOpen(index) {
		return false
	}
	return m.Owner == ix.owner || ix.now().Sub(m.Alive) >= ix.cfg.ReapAfter
}

// sweep deletes a generation that is not live, once no search uses it: it may have been live until now.
func (ix *Index) sweep(ctx context.Context, alias, index string) (bool, error) {
	if err := ix.awaitIdle(ctx, index); err != nil {
		return false, err
	}
	return ix.discard(ctx, alias, index)
}

// takeOver makes sure that no run with a smaller fencing token can publish any more, and that there is none with a greater one. Each run
// calls it after it has made its own index, so that of two runs at least one sees the other.
func (g *generation) takeOver(ctx context.Context) error {
	if g.token == 0 {
		return nil
	}
	marks, err := g.ix.marks(ctx, g.tenant)
	if err != nil {
		return err
	}
	for index, m := range marks {
		if m.Fence > g.token {
			return fmt.Errorf("elasticsearch: index %s: %w: its index is %s", g.name, reindex.ErrFenced, index)
		}
	}
	for index, m := range marks {
		if m.olderThan(g.token) && !m.inUse {
			if _, err := g.ix.sweep(ctx, g.alias, index); err != nil {
				return err
			}
		}
	}
	return nil
}
