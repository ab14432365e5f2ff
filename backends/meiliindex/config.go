package meiliindex

import (
	"errors"
	"fmt"
	"regexp"
	"time"

	"github.com/meilisearch/meilisearch-go"
)

// Config adjusts an [Index]. The zero value, and nil in its place, means the defaults. New copies it.
type Config struct {
	// Prefix begins the uids of all indexes, 1 to 100 letters, digits, hyphens and underscores, the first one no hyphen. Default
	// "products_". Two Indexes on one server have prefixes of which none begins the other.
	Prefix string

	// KeyAttribute is the attribute that holds the primary key of a document, letters, digits, hyphens and underscores. Default
	// [DefaultKeyAttribute]. It has to stay the same as long as the indexes live.
	KeyAttribute string

	// Settings of the indexes. Nil: those that the live index has at the beginning of a reindex, the server's defaults for the first one.
	// They must not be changed after New.
	Settings *meilisearch.Settings

	// PayloadLimit is the server's --http-payload-size-limit in bytes. Default 100,000,000, the server's own default.
	PayloadLimit int

	// MaxTasks is how many tasks of a run may wait on the server. Default 8.
	MaxTasks int

	// PollInterval is the longest time between two looks at a task. Default 100 ms.
	PollInterval time.Duration

	// StaleAfter is how long an index of another process, which has no fencing token (see [reindex.Fence]), has to have been left alone
	// before Reap takes it for a leftover. Default one hour; negative: at once, for a server that no other process reindexes to. The
	// clocks of server and process should not differ by as much.
	StaleAfter time.Duration
}

// DefaultKeyAttribute is the attribute that holds the primary key of a document where Config names no other.
const DefaultKeyAttribute = "reindex_key"

const (
	defaultPrefix       = "products_"
	defaultPayloadLimit = 100_000_000
	defaultMaxTasks     = 8
	defaultPollInterval = 100 * time.Millisecond
	defaultStaleAfter   = time.Hour
)

// withDefaults returns a copy of c in which every field that is not set has its default.
func (c *Config) withDefaults() Config {
	var out Config
	if c != nil {
		out = *c
	}
	setDefault(&out.Prefix, defaultPrefix)
	setDefault(&out.KeyAttribute, DefaultKeyAttribute)
	setDefault(&out.PayloadLimit, defaultPayloadLimit)
	setDefault(&out.MaxTasks, defaultMaxTasks)
	setDefault(&out.PollInterval, defaultPollInterval)
	setDefault(&out.StaleAfter, defaultStaleAfter)
	return out
}

func setDefault[T comparable](field *T, value T) {
	var zero T
	if *field == zero {
		*field = value
	}
}

var (
	validPrefix    = regexp.MustCompile(`^[A-Za-z0-9_][A-Za-z0-9_-]{0,99}$`)
	validAttribute = regexp.MustCompile(`^[A-Za-z0-9_-]{1,100}$`)
)

// reserved are attributes that mean something to the server.
var reserved = map[string]bool{"_geo": true, "_geojson": true, "_vectors": true, "_formatted": true, "_federation": true}

// validate reports every setting of a config with defaults that makes no sense.
func (c *Config) validate() error {
	var errs []error
	if !validPrefix.MatchString(c.Prefix) {
		errs = append(errs, fmt.Errorf("invalid Prefix %q: it must be 1 to 100 letters, digits, hyphens and underscores and not begin with a hyphen",
			c.Prefix))
	}
	if !validAttribute.MatchString(c.KeyAttribute) || reserved[c.KeyAttribute] {
		errs = append(errs, fmt.Errorf("invalid KeyAttribute %q: it must be letters, digits, hyphens and underscores, and nothing that Meilisearch "+
			"has a meaning for", c.KeyAttribute))
	}
	if c.PayloadLimit < 1 {
		errs = append(errs, fmt.Errorf("invalid PayloadLimit %d: it must be positive", c.PayloadLimit))
	}
	if c.MaxTasks < 1 {
		errs = append(errs, fmt.Errorf("invalid MaxTasks %d: it must be positive", c.MaxTasks))
	}
	if c.PollInterval < 0 {
		errs = append(errs, fmt.Errorf("invalid PollInterval %v: it must be positive", c.PollInterval))
	}
	if err := errors.Join(errs...); err != nil {
		return fmt.Errorf("meiliindex: %w", err)
	}
	return nil
}
