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
// generations are [reindex.Editor]s. It is safe for concurrent use. Several processes may use the same prefix: if two
// runs of a tenant overlap, the one that commits later fails.
type Index struct {
	transport esapi.Transport
	cfg       Config
	settings  settings
	mappings  mappings
	aliases   map[string]definition // from Config.Aliases, with {tenant} in the names
	owner     string                // identifies this Index in marks
	now       func() time.Time
	idle      time.Duration // the longest wait for searches in a replaced index
	abilities abilities
	refusals  refusals

	mu         sync.Mutex
	open       map[string]int      // the generations in use by this process, with the number of users
	unsearched map[string][]string // by tenant, the fields learned since the last switch
	live       map[string]lookedAt // by tenant, the live index at the last Update
}

var (
	_ reindex.Indexer    = (*Index)(nil)
	_ reindex.Limiter    = (*Index)(nil)
	_ reindex.Reaper     = (*Index)(nil)
	_ reindex.DocCounter = (*Index)(nil)
)

// New returns an Index that calls the server through t. A nil cfg means the defaults. New does not call the server. The
// error names every setting that is not valid.
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
		unsearched: map[string][]string{}, live: map[string]lookedAt{},
	}, nil
}

const (
	limitDocs  = 10_000
	limitBytes = 2 << 20
)

// Limits implements [reindex.Limiter]. Elasticsearch indexes requests of a few megabytes fastest; they are also far
// below the server's default limits (100 MB per request in http.max_content_length, a tenth of the heap for all
// writes). It syncs the writes of each request to the disk, and indexes those of others meanwhile.
func (ix *Index) Limits() reindex.Limits {
	return reindex.Limits{MaxDocs: limitDocs, MaxBytes: limitBytes, MaxInFlight: 8, MaxUpdates: 4}
}

// Alias returns the name under which the tenant's products are searched. The alias does not exist before the first run
// has succeeded.
func (ix *Index) Alias(tenant string) string { return aliasName(ix.cfg.Prefix, tenant) }

// DocCount implements [reindex.DocCounter]. It counts the products in the live index, whatever the filter of the alias.
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

// setOpen adds a user of the generation in this process, or removes one.
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
