package esindex

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"

	"github.com/elastic/go-elasticsearch/v8/esapi"

	"productindex/reindex"
)

// Index is a [reindex.Indexer] over Elasticsearch, with the capabilities [reindex.Limiter], [reindex.Reaper] and
// [reindex.DocCounter]. It is safe for concurrent use. Several processes may have one of the same prefix: of two runs of one tenant that end, the later one fails.
type Index struct {
	transport esapi.Transport
	cfg       Config
	settings  settings
	mappings  mappings
	owner     string // tells the generations of this Index from those of others
	now       func() time.Time

	mu   sync.Mutex
	open map[string]bool // the names of the generations that are in use
}

var (
	_ reindex.Indexer    = (*Index)(nil)
	_ reindex.Limiter    = (*Index)(nil)
	_ reindex.Reaper     = (*Index)(nil)
	_ reindex.DocCounter = (*Index)(nil)
)

// New returns an Index that talks to the server through t. A nil cfg means the defaults. It does not call the server. The error names
// every setting that is invalid.
func New(t esapi.Transport, cfg *Config) (*Index, error) {
	c := cfg.withDefaults()
	settings, errSettings := parseSettings(c.Settings)
	mappings, errMappings := parseMappings(c.Mappings)
	err := errors.Join(c.validate(), errSettings, errMappings)
	if t == nil {
		err = errors.Join(errors.New("the transport is nil"), err)
	}
	if err != nil {
		return nil, fmt.Errorf("esindex: invalid config: %w", err)
	}
	return &Index{
		transport: t, cfg: c, settings: settings, mappings: mappings,
		owner: rand.Text(), now: time.Now, open: map[string]bool{},
	}, nil
}

const (
	limitDocs  = 10_000
	limitBytes = 2 << 20
)

// Limits implements [reindex.Limiter]: requests of some megabytes, which Elasticsearch indexes fastest, and far less than a server takes
// by default (http.max_content_length, 100 MB, and a tenth of its heap for all writes at once).
func (ix *Index) Limits() reindex.Limits {
	return reindex.Limits{MaxDocs: limitDocs, MaxBytes: limitBytes, MaxInFlight: 8}
}

// Alias returns the name under which the tenant's products are searched. Until the first run has succeeded there is nothing of that
// name.
func (ix *Index) Alias(tenant string) string { return aliasName(ix.cfg.Prefix, tenant) }

// DocCount implements [reindex.DocCounter].
func (ix *Index) DocCount(ctx context.Context, tenant string) (int64, error) {
	if err := reindex.CheckTenant(tenant); err != nil {
		return 0, err
	}
	return ix.count(ctx, ix.Alias(tenant))
}

// Begin implements [reindex.Indexer]. With a fencing token in ctx (see [reindex.Fence]) it deletes the generations of runs with smaller
// ones, and fails where there is one with a greater.
func (ix *Index) Begin(ctx context.Context, tenant string) (reindex.Generation, error) {
	if err := reindex.CheckTenant(tenant); err != nil {
		return nil, err
	}
	alias := ix.Alias(tenant)
	live, err := ix.behind(ctx, alias)
	if err != nil {
		return nil, err
	}
	g := &generation{ix: ix, tenant: tenant, alias: alias, name: generationName(alias, ix.now()), live: live}
	g.token, _ = reindex.Fence(ctx)
	ix.setOpen(g.name, true)
	err = g.create(ctx)
	if err == nil {
		err = g.takeOver(ctx)
	}
	if err != nil {
		ix.setOpen(g.name, false) // what was made is left to Reap
		return nil, err
	}
	g.pulse.start(ix.cfg.ReapAfter/4, g.showLife) //nolint:contextcheck // the generation outlives ctx
	return g, nil
}

// create creates the generation's index. Its name is random: where it exists already, an earlier try of the client has made it.
func (g *generation) create(ctx context.Context) error {
	var created struct{ Acknowledged bool }
	what := "creating index " + g.name
	err := call(ctx, g.ix.transport, what, esapi.IndicesCreateRequest{Index: g.name, Body: jsonBody(map[string]any{
		"settings": g.ix.settings.load,
		"mappings": g.ix.mappings.marked(g.mark()),
		"aliases":  map[string]any{g.fence(): map[string]any{"is_hidden": true}},
	})}, &created)
	switch {
	case hasType(err, "resource_already_exists_exception"):
		return nil
	case err == nil && !created.Acknowledged:
		return reindex.Temporary(fmt.Errorf("elasticsearch: %s: not acknowledged in time", what))
	}
	return err
}

// setOpen notes whether the generation is in use.
func (ix *Index) setOpen(name string, open bool) {
	ix.mu.Lock()
	defer ix.mu.Unlock()
	if open {
		ix.open[name] = true
	} else {
		delete(ix.open, name)
	}
}

func (ix *Index) isOpen(name string) bool {
	ix.mu.Lock()
	defer ix.mu.Unlock()
	return ix.open[name]
}

// target is what a name stands for: nothing, an index of that very name, or an alias of some indexes.
type target struct {
	concrete bool
	indexes  []string // behind the alias, in no order
}

// String names what is there, for messages.
func (t target) String() string {
	switch {
	case t.concrete:
		return "an index of that name"
	case len(t.indexes) == 0:
		return "nothing"
	default:
		return strings.Join(t.indexes, ", ")
	}
}

// behind finds out what a name stands for.
func (ix *Index) behind(ctx context.Context, name string) (target, error) {
	aliases, err := ix.aliases(ctx, name)
	if err != nil {
		return target{}, err
	}
	var t target
	for index := range aliases {
		if index == name {
			return target{concrete: true}, nil
		}
		t.indexes = append(t.indexes, index)
	}
	return t, nil
}

// aliases returns the aliases of an index, or of all indexes behind an alias, by the index's name. There are none where there is
// nothing of that name.
func (ix *Index) aliases(ctx context.Context, name string) (map[string]map[string]bool, error) {
	var answer map[string]struct {
		Aliases map[string]struct{}
	}
	err := call(ctx, ix.transport, "reading the aliases of "+name, esapi.IndicesGetAliasRequest{Index: []string{name}}, &answer)
	found := map[string]map[string]bool{}
	if hasType(err, "index_not_found_exception") {
		return found, nil
	}
	if err != nil {
		return nil, err
	}
	for index, entry := range answer {
		found[index] = map[string]bool{}
		for alias := range entry.Aliases {
			found[index][alias] = true
		}
	}
	return found, nil
}
