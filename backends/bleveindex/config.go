package bleveindex

import (
	"fmt"
	"log/slog"
	"time"

	"github.com/blevesearch/bleve/v2/mapping"
)

// Config configures an [Index]. The zero value means the defaults, and so does a nil *Config. Open copies it.
type Config struct {
	// Mapping defines the fields, types and analyzers of products. It must not be changed after Open. Default
	// [NewMapping].
	//
	// bleve stores the mapping as JSON in each generation, and reads it from there when it opens the generation. So a
	// mapping of a type of the host's own must have the JSON of a [mapping.IndexMappingImpl]. A new mapping takes
	// effect with each tenant's next reindex.
	Mapping mapping.IndexMapping

	// TenantMapping returns the mapping for a tenant's products, which must not be changed afterwards. If TenantMapping
	// is nil, or returns nil, Mapping applies. TenantMapping is called when a generation begins and when an index is
	// opened, possibly for several tenants at the same time.
	TenantMapping func(tenant string) (mapping.IndexMapping, error)

	// OmitBodies leaves the products' bodies out of the index. Hits then have only the values of fields that Mapping
	// stores; [NewMapping] stores none. The index is then about a sixth smaller.
	OmitBodies bool

	// BatchBytes is the greatest total size of the bodies in a batch, in bytes. Each batch becomes a segment of the
	// index, and needs about a hundred times as much memory while it is written. Larger batches load faster: with 1
	// MiB, pcparts, a catalogue of 47,551 products, is loaded in a tenth less time, and the load needs 240 MiB of
	// memory instead of 145 MiB. Default 416 KiB.
	BatchBytes int

	// IdleTimeout is the time without a search after which a tenant's index is closed, which frees its files,
	// goroutines and memory. The next search opens the index again. Default 10 minutes; negative: never.
	IdleTimeout time.Duration

	// MaxOpen is the largest number of tenants' indexes that are open at the same time. If one more is opened, the
	// least recently searched one is closed, as after IdleTimeout. An index in use stays open even if the number is
	// exceeded. Default 0: no maximum.
	MaxOpen int

	// KeepPrevious is the number of replaced generations per tenant that are kept for [Index.Rollback]. Each needs the
	// disk space of an index, and no memory. A smaller number takes effect with the next Open, Reap or switch. Default
	// 0: none is kept.
	KeepPrevious int

	// KeepFor is the longest time for which a replaced generation is kept. After that it cannot be rolled back to, and
	// the next Open, Reap or switch removes it. Default 0: no limit.
	KeepFor time.Duration

	// ReadOnly opens a directory for searches while another process reindexes there. The Index takes no lock and
	// changes nothing; calls that would change something fail with [ErrReadOnly]. Searches see a switch or an update
	// within a second, or within ten times the time that opening the index takes, whichever is longer. Until the new
	// index is open, they use the old one. ReadOnly needs a temporary directory that can hold symbolic links, and an
	// operating system on which open files can be removed.
	ReadOnly bool

	// Logger receives errors in the background, panics in bleve, and a note of each removal of leftovers, with the
	// tenant's directory. Nil discards them.
	Logger *slog.Logger
}

// Loading pcparts in batches of defaultBatchBytes takes 56 % of the time, and about 60 % of the memory, of loading it
// in sequential batches of 1,000 products.
const defaultBatchBytes = 416 << 10

const defaultIdleTimeout = 10 * time.Minute

// withDefaults returns a copy of c in which every field that is not set has its default.
func (c *Config) withDefaults() Config {
	var out Config
	if c != nil {
		out = *c
	}
	if out.Mapping == nil {
		out.Mapping = NewMapping()
	}
	if out.BatchBytes == 0 {
		out.BatchBytes = defaultBatchBytes
	}
	if out.IdleTimeout == 0 {
		out.IdleTimeout = defaultIdleTimeout
	}
	if out.Logger == nil {
		out.Logger = slog.New(slog.DiscardHandler)
	}
	return out
}

// validate returns an error for a negative value, and for a mapping that bleve would refuse or could not read back.
func (c *Config) validate() error {
	if c.BatchBytes < 0 {
		return fmt.Errorf(
			"bleveindex: invalid config: BatchBytes is %d, want 0 for the default or a number of bytes",
			c.BatchBytes,
		)
	}
	if c.KeepPrevious < 0 {
		return fmt.Errorf(
			"bleveindex: invalid config: KeepPrevious is %d, want 0 for none or a number of generations",
			c.KeepPrevious,
		)
	}
	if c.KeepFor < 0 {
		return fmt.Errorf("bleveindex: invalid config: KeepFor is %v, want 0 for no limit or a time", c.KeepFor)
	}
	if c.MaxOpen < 0 {
		return fmt.Errorf(
			"bleveindex: invalid config: MaxOpen is %d, want 0 for no maximum or a number of indexes",
			c.MaxOpen,
		)
	}
	if err := checkMapping(c.Mapping); err != nil {
		return fmt.Errorf("bleveindex: invalid config: %w", err)
	}
	return nil
}

// mappingOf returns the mapping for a tenant's products. It checks a mapping that TenantMapping returns.
func (c *Config) mappingOf(tenant string) (mapping.IndexMapping, error) {
	if c.TenantMapping == nil {
		return c.Mapping, nil
	}
	m, err := c.TenantMapping(tenant)
	if err == nil && m == nil {
		return c.Mapping, nil
	}
	if err == nil {
		err = checkMapping(m)
	}
	if err != nil {
		return nil, fmt.Errorf("Config.TenantMapping: %w", err)
	}
	return m, nil
}
