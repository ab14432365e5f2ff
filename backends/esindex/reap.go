package esindex

import (
	"context"
	"encoding/json"
	"errors"
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
	// Alive is when the owner has last shown a sign of life.
	Alive time.Time `json:"alive"`
}

// mark is the generation's, as of now.
func (g *generation) mark() mark {
	return mark{Prefix: g.ix.cfg.Prefix, Tenant: g.tenant, Owner: g.ix.owner, Alive: g.ix.now().UTC()}
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
// back to, and either was made by this Index and has ended, or has shown no sign of life for Config.ReapAfter.
func (ix *Index) Reap(ctx context.Context, tenant string) (int, error) {
	if err := reindex.CheckTenant(tenant); err != nil {
		return 0, err
	}
	alias := ix.Alias(tenant)
	var found map[string]leftover
	err := call(ctx, ix.transport, "looking for indexes "+alias+"-*", esapi.IndicesGetRequest{
		Index: []string{alias + "-*"}, Features: "aliases,mappings", ExpandWildcards: "all",
		FilterPath: []string{"*.aliases", "*.mappings._meta." + markKey},
	}, &found)
	if err != nil {
		return 0, err
	}
	var (
		reaped int
		errs   []error
	)
	for index, l := range found {
		if !isGeneration(alias, index) || !ix.dead(tenant, alias, index, l) {
			continue
		}
		deleted, err := ix.discard(ctx, alias, index)
		if err != nil {
			errs = append(errs, err)
		} else if deleted {
			reaped++
		}
	}
	return reaped, errors.Join(errs...)
}

// leftover is what the server tells of an index that may be one.
type leftover struct {
	Aliases  map[string]json.RawMessage
	Mappings struct {
		Meta struct {
			Mark *mark `json:"productindex"`
		} `json:"_meta"`
	}
}

// dead reports whether the index is what a dead run of the tenant has left.
func (ix *Index) dead(tenant, alias, index string, l leftover) bool {
	m := l.Mappings.Meta.Mark
	if m == nil || m.Prefix != ix.cfg.Prefix || m.Tenant != tenant {
		return false
	}
	_, live := l.Aliases[alias]
	_, kept := l.Aliases[previousName(alias)]
	if live || kept && ix.cfg.KeepPrevious || ix.isOpen(index) {
		return false
	}
	return m.Owner == ix.owner || ix.now().Sub(m.Alive) >= ix.cfg.ReapAfter
}
