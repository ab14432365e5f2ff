package meiliindex

import (
	"errors"
	"fmt"
	"log/slog"
	"regexp"
	"time"

	"github.com/meilisearch/meilisearch-go"
)

// Config adjusts an [Index]. The zero value, and nil in its place, means the defaults. New copies it.
type Config struct {
	// Prefix begins the uids of all indexes, 1 to 100 letters, digits, hyphens and underscores, the first one no hyphen.
	// Default "products_". Two Indexes on one server have prefixes neither of which begins the other.
	Prefix string

	// KeyAttribute is the attribute that holds the primary key of a document, letters, digits, hyphens and underscores.
	// Default [DefaultKeyAttribute]. It has to stay the same as long as the indexes live.
	KeyAttribute string

	// Settings of the indexes. Nil: those that the live index has at the beginning of a reindex, the server's defaults for
	// the first one. They must not be changed after New.
	Settings *meilisearch.Settings

	// PayloadLimit is the server's --http-payload-size-limit in bytes. Default 100,000,000, the server's own default.
	PayloadLimit int

	// BatchBytes is the largest sum of the lengths of the bodies in one task, in bytes, and at most half of PayloadLimit.
	// Default 48 MiB. Larger batches are indexed faster, and take more memory: see "Capacity" in the package's
	// documentation.
	BatchBytes int

	// MaxTasks is how many tasks of a run may wait on the server, and how many payloads are kept in memory until they are
	// known to be indexed. Default 2: the server works on one while the next one waits.
	MaxTasks int

	// PollInterval is the longest time between two looks at a task. Default 100 ms.
	PollInterval time.Duration

	// StaleAfter is how long an index of another process, which has no fencing token (see [reindex.Fence]), has to have
	// been left alone before Reap deletes it. Default one hour; negative: at once, for a server that no other process
	// reindexes to. The clocks of server and process should not differ by as much.
	StaleAfter time.Duration

	// KeepPrevious is how many generations per tenant that were live are kept, so that [Index.Rollback] can go back to
	// them. Default 0: none is.
	KeepPrevious int

	// KeepFor is how long a generation that was live is kept, at the most. The next run deletes it then. Default 0: until
	// KeepPrevious newer ones were live.
	KeepFor time.Duration

	// Logger receives what fails after a run has ended, such as the deletion of an old index. Nil discards it.
	Logger *slog.Logger
}

// DefaultKeyAttribute is the attribute that holds the primary key of a document if Config names no other.
const DefaultKeyAttribute = "reindex_key"

const (
	defaultPrefix       = "products_"
	defaultPayloadLimit = 100_000_000
	defaultBatchBytes   = 48 << 20
	defaultMaxTasks     = 2
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
	setDefault(&out.BatchBytes, defaultBatchBytes)
	setDefault(&out.MaxTasks, defaultMaxTasks)
	setDefault(&out.PollInterval, defaultPollInterval)
	setDefault(&out.StaleAfter, defaultStaleAfter)
	if out.Logger == nil {
		out.Logger = slog.New(slog.DiscardHandler)
	}
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
var reserved = map[string]bool{"_geo": true, "_geojson": true, "_vectors": true, "_formatted": true,
	"_federation": true}

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
	if c.BatchBytes < 1 {
		errs = append(errs, fmt.Errorf("invalid BatchBytes %d: it must be positive", c.BatchBytes))
	}
	if c.MaxTasks < 1 {
		errs = append(errs, fmt.Errorf("invalid MaxTasks %d: it must be positive", c.MaxTasks))
	}
	if c.KeepPrevious < 0 {
		errs = append(errs, fmt.Errorf("invalid KeepPrevious %d: it must not be negative", c.KeepPrevious))
	}
	if c.KeepFor < 0 {
		errs = append(errs, fmt.Errorf("invalid KeepFor %v: it must not be negative", c.KeepFor))
	}
	if c.PollInterval < 0 {
		errs = append(errs, fmt.Errorf("invalid PollInterval %v: it must be positive", c.PollInterval))
	}
	if err := errors.Join(errs...); err != nil {
		return fmt.Errorf("meiliindex: %w", err)
	}
	return nil
}
