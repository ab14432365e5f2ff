package meiliindex

import (
	"errors"
	"fmt"
	"log/slog"
	"regexp"
	"time"

	"github.com/meilisearch/meilisearch-go"
)

// Config configures an [Index]. The zero value means the defaults, and so does a nil *Config. New copies it.
type Config struct {
	// Prefix begins the uids of all indexes. It consists of 1 to 100 letters, digits, hyphens and underscores, and does
	// not begin with a hyphen. If several Indexes use one server, no prefix may begin with another one. Default
	// "products_".
	Prefix string

	// KeyAttribute is the attribute that holds the primary key of a document. It consists of letters, digits, hyphens
	// and underscores, and must not change while there are indexes. Default [DefaultKeyAttribute].
	KeyAttribute string

	// Settings are the settings of each new index. They must not be changed after New. Default nil: Begin copies the
	// settings of the live index; the first index has the server's defaults.
	Settings *meilisearch.Settings

	// PayloadLimit is the server's --http-payload-size-limit in bytes. Default 100,000,000, the server's own default.
	PayloadLimit int

	// BatchBytes is the greatest total size of the bodies in one task, in bytes, but never over half of PayloadLimit.
	// Larger batches are indexed faster and need more memory: see "Capacity" in the package's documentation. Default 48
	// MiB.
	BatchBytes int

	// MaxTasks is the largest number of unfinished tasks of a run. The payload of a task is kept in memory until the
	// task has succeeded. Default 2: the server processes one task while the next one waits.
	MaxTasks int

	// PollInterval is the longest time between two requests for the state of a task. Default 100 ms.
	PollInterval time.Duration

	// StaleAfter is the time without changes after which Reap deletes an index of another process whose run has no
	// fencing token (see [reindex.Fence]). The clocks of the server and the process must differ by less than that.
	// Default one hour; negative: at once, for a server that only this process reindexes to.
	StaleAfter time.Duration

	// KeepPrevious is the number of replaced generations per tenant that are kept for [Index.Rollback]. Default 0: none
	// is kept.
	KeepPrevious int

	// KeepFor is the longest time for which a replaced generation is kept; the next run after it deletes the
	// generation. Default 0: a generation is kept until KeepPrevious newer ones are.
	KeepFor time.Duration

	// Logger receives an entry for each problem that does not fail a run, such as an old index that cannot be deleted.
	// Nil discards them.
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

// reserved are the attributes that have a meaning for the server.
var reserved = map[string]bool{"_geo": true, "_geojson": true, "_vectors": true, "_formatted": true,
	"_federation": true}

// validate returns an error that names every setting that is not valid.
func (c *Config) validate() error {
	var errs []error
	if !validPrefix.MatchString(c.Prefix) {
		errs = append(errs, fmt.Errorf("invalid Prefix %q: it must be 1 to 100 letters, digits, hyphens and underscores "+
			"and not begin with a hyphen", c.Prefix))
	}
	if !validAttribute.MatchString(c.KeyAttribute) || reserved[c.KeyAttribute] {
		errs = append(errs, fmt.Errorf("invalid KeyAttribute %q: it must be letters, digits, hyphens and underscores, "+
			"and not an attribute that Meilisearch reserves", c.KeyAttribute))
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
