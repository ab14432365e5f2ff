package esindex

import (
	"errors"
	"fmt"
	"log/slog"
	"time"
)

// Config configures an [Index]. The zero value means the defaults, and so does a nil *Config. New copies it.
type Config struct {
	// Prefix begins the name of every index and alias. It consists of at most 100 lower-case letters, digits, dots,
	// hyphens and underscores, and begins with a letter or a digit. Default "products".
	Prefix string

	// Settings are the settings of each new index: a JSON object, as in the body of "create index", nested or flat.
	// During the load, refreshes and replicas are off. Seal then sets refresh_interval, number_of_replicas and
	// auto_expand_replicas to the values given here, or else in a template, or else to the server's defaults. Default:
	// only the limit on fields that [DefaultMappings] describes.
	Settings []byte

	// Mappings are the mappings of each new index: a JSON object, as in the body of "create index". The key
	// "productindex" of its _meta is reserved for this package. Default [DefaultMappings].
	Mappings []byte

	// Aliases are additional aliases of each live index: a JSON object, as in the body of "create index", such as
	// {"all-products": {}, "shop-{tenant}": {"filter": {"term": {"visible": true}}}}. {tenant} in a name is replaced by
	// the tenant, encoded as in the name of its alias. A name must not begin with the prefix and a hyphen. These
	// aliases move in the same step as the tenant's own alias. An alias that is no longer listed here stays until
	// someone removes it. Default: none.
	//
	// Aliases that someone else has added to a live index also move.
	Aliases []byte

	// KeepPrevious is the number of replaced generations per tenant that are kept for [Index.Rollback]. An index under
	// the name of the alias itself, which a stray write creates, cannot be kept: Begin fails until it is deleted.
	// Default 0: none is kept, and the alias replaces such an index.
	KeepPrevious int

	// KeepFor is the longest time for which a replaced generation is kept; the next run after it deletes the
	// generation. Default 0: a generation is kept until KeepPrevious newer ones are.
	KeepFor time.Duration

	// RetireDelay is the time for which the replaced index stays after the switch, for searches in progress. After that
	// it stays for up to half a minute more while searches have it open. The run waits for this at its end; if the wait
	// exceeds the engine's Config.CleanupTimeout, the next run deletes the index. An index to which someone added an
	// alias meanwhile is not deleted. Default 1 s; negative: no delay.
	RetireDelay time.Duration

	// ReplicaTimeout limits the time that Seal waits for the replicas that Settings ask for. If Settings do not set
	// replicas, Seal does not wait. Default 10 min.
	ReplicaTimeout time.Duration

	// ReapAfter is the time without a sign of life after which a generation of another process counts as dead, at least
	// a minute. A process renews the sign of life of its generation four times in that span. The clocks of all
	// processes must agree to within half of it. Default 10 min.
	ReapAfter time.Duration

	// Logger receives an entry for each index that is deleted, with the reason, and for each problem that does not fail
	// a run, such as an old index that cannot be deleted or a template that adds aliases. Nil discards them.
	Logger *slog.Logger
}

const (
	defaultPrefix         = "products"
	defaultRetireDelay    = time.Second
	defaultReplicaTimeout = 10 * time.Minute
	defaultReapAfter      = 10 * time.Minute
	minReapAfter          = time.Minute
)

// withDefaults returns a copy of c in which every field that is not set has its default.
func (c *Config) withDefaults() Config {
	var out Config
	if c != nil {
		out = *c
	}
	if out.Prefix == "" {
		out.Prefix = defaultPrefix
	}
	if out.Mappings == nil {
		out.Mappings = []byte(DefaultMappings)
		if out.Settings == nil {
			out.Settings = []byte(defaultSettings)
		}
	}
	if out.Settings == nil {
		out.Settings = []byte(`{}`)
	}
	if out.RetireDelay == 0 {
		out.RetireDelay = defaultRetireDelay
	}
	if out.ReplicaTimeout == 0 {
		out.ReplicaTimeout = defaultReplicaTimeout
	}
	if out.ReapAfter == 0 {
		out.ReapAfter = defaultReapAfter
	}
	if out.Logger == nil {
		out.Logger = slog.New(slog.DiscardHandler)
	}
	return out
}

// validate returns an error that names every setting that is not valid, except for those in JSON, which have parsers of
// their own.
func (c *Config) validate() error {
	var errs []error
	if !prefixGrammar.MatchString(c.Prefix) || len(c.Prefix) > maxPrefixBytes {
		errs = append(errs, fmt.Errorf("field Prefix is %q; it must match %s and have at most %d bytes", c.Prefix,
			prefixGrammar, maxPrefixBytes))
	}
	if c.ReplicaTimeout < 0 {
		errs = append(errs, fmt.Errorf("field ReplicaTimeout is %v; it must be positive", c.ReplicaTimeout))
	}
	if c.KeepPrevious < 0 {
		errs = append(errs, fmt.Errorf("field KeepPrevious is %d; it must not be negative", c.KeepPrevious))
	}
	if c.KeepFor < 0 {
		errs = append(errs, fmt.Errorf("field KeepFor is %v; it must not be negative", c.KeepFor))
	}
	if c.ReapAfter < minReapAfter {
		errs = append(errs, fmt.Errorf("field ReapAfter is %v; it must be at least %v", c.ReapAfter, minReapAfter))
	}
	return errors.Join(errs...)
}
