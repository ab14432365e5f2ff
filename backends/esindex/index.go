package esindex

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/elastic/go-elasticsearch/v8/esapi"

	"productindex/reindex"
)

// Index is a [reindex.Indexer] over Elasticsearch or OpenSearch, with the capabilities [reindex.Limiter],
// [reindex.Reaper], [reindex.DocCounter], [reindex.Rollbacker], [reindex.Updater] and [reindex.Settler]; its
// generations are [reindex.Editor]s. It is safe for concurrent use. Several processes may have one of the same prefix:
// of two runs of one tenant that end, the later one fails.
type Index struct {
	transport esapi.Transport
	cfg       Config
	settings  settings
	mappings  mappings
	aliases   map[string]definition // of the host, with the place for the tenant
	owner     string                // marks the generations of this Index
	now       func() time.Time
	idle      time.Duration // how long an old index stays that searches have open
	abilities abilities
	refusals  refusals

	mu         sync.Mutex
	open       map[string]int      // the names of the generations that are in use, and by how many
	unsearched map[string][]string // by tenant, fields learned since its last generation that went live
}

var (
	_ reindex.Indexer    = (*Index)(nil)
	_ reindex.Limiter    = (*Index)(nil)
	_ reindex.Reaper     = (*Index)(nil)
	_ reindex.DocCounter = (*Index)(nil)
)

// New returns an Index that talks to the server through t. A nil cfg means the defaults. It does not call the server.
// The error names every setting that is invalid.
func New(t esapi.Transport, cfg *Config) (*Index, error) {
	c := cfg.withDefaults()
	settings, errSettings := parseSettings(c.Settings)
	mappings, errMappings := parseMappings(c.Mappings)
	settings.byDefault, mappings.byDefault = string(c.Settings) == defaultSettings, string(c.Mappings) == DefaultMappings
	aliases, errAliases := parseAliases(c.Aliases, c.Prefix)
	err := errors.Join(c.validate(), errSettings, errMappings, errAliases)
	if t == nil {
		err = errors.Join(errors.New("the transport is nil"), err)
	}
	if err != nil {
		return nil, fmt.Errorf("esindex: invalid config: %w", err)
	}
	return &Index{
		transport: t, cfg: c, settings: settings, mappings: mappings, aliases: aliases,
		owner: rand.Text(), now: time.Now, idle: idleTimeout, open: map[string]int{},
		unsearched: map[string][]string{},
	}, nil
}

const (
	limitDocs  = 10_000
	limitBytes = 2 << 20
)

// Limits implements [reindex.Limiter]: requests of some megabytes, which Elasticsearch indexes fastest, and far less
// than a server takes by default (http.max_content_length, 100 MB, and a tenth of its heap for all writes at once).
func (ix *Index) Limits() reindex.Limits {
	return reindex.Limits{MaxDocs: limitDocs, MaxBytes: limitBytes, MaxInFlight: 8}
}

// Alias returns the name under which the tenant's products are searched. Until the first run has succeeded there is
// nothing of that name.
func (ix *Index) Alias(tenant string) string { return aliasName(ix.cfg.Prefix, tenant) }

// DocCount implements [reindex.DocCounter]. It counts the products in the live index, without regard to a filter of the
// alias.
func (ix *Index) DocCount(ctx context.Context, tenant string) (int64, error) {
	if err := reindex.CheckTenant(tenant); err != nil {
		return 0, err
	}
	count, unknown, err := ix.countLive(ctx, ix.names(tenant))
	switch {
	case err != nil || unknown != nil:
		return 0, errors.Join(err, unknown)
	case count < 0:
		return 0, fmt.Errorf("esindex: tenant %s: %w", tenant, reindex.ErrNoLiveIndex)
	}
	return count, nil
}

// setOpen notes whether the generation is in use.
func (ix *Index) setOpen(name string, open bool) {
	ix.mu.Lock()
	defer ix.mu.Unlock()
	if open {
		ix.open[name]++
	} else if ix.open[name]--; ix.open[name] <= 0 {
		delete(ix.open, name)
	}
}

func (ix *Index) isOpen(name string) bool {
	ix.mu.Lock()
	defer ix.mu.Unlock()
	return ix.open[name] > 0
}
