package esindex

import (
	"errors"
	"fmt"
	"log/slog"
	"time"
)

// Config adjusts an [Index]. The zero value, and nil in its place, means the defaults. New copies it.
type Config struct {
	// Prefix starts the name of every index and alias. Lower-case letters, digits, dots, hyphens and underscores, at
	// most 100 bytes, the first one a letter or a digit. Default "products".
	Prefix string

	// Settings are the settings of each new index: a JSON object, as in the body of "create index", nested or flat.
	// Refresh and replicas are off while an index is loaded and set before it is counted: refresh_interval,
	// number_of_replicas and auto_expand_replicas to what stands here, or else in a template, or else to the server's
	// defaults. Default: the mapping's limits, see DefaultMappings.
	Settings []byte

	// Mappings are the mappings of each new index: a JSON object, as in the body of "create index". The key
	// "productindex" of its _meta is ours. Default [DefaultMappings].
	Mappings []byte

	// Aliases are further aliases of each live index: a JSON object, as in the body of "create index", such as
	// {"all-products": {}, "shop-{tenant}": {"filter": {"term": {"visible": true}}}}. {tenant} in a name stands for the
	// tenant, written as in the name of its alias. A name does not begin with the prefix and a hyphen. They move in the
	// same step as the tenant's own alias. An alias that is not named here any more stays until someone removes it.
	// Default: none.
	//
	// Aliases that someone else has given to a live index also move along.
	Aliases []byte

	// KeepPrevious is how many generations per tenant that were live are kept, so that [Index.Rollback] can go back to
	// them. An index under the name of the alias itself, which a stray write creates, cannot be kept: Begin fails until it
	// is gone. Default 0: none is kept, and the alias replaces such an index.
	KeepPrevious int

	// KeepFor is how long a generation that was live is kept, at the most. The next run deletes it then. Default 0: until
	// KeepPrevious newer ones were live.
	KeepFor time.Duration

	// RetireDelay is how long the index that was live before stays after the switch, at the least, for searches that
	// are under way. After that it stays while searches still have it open, up to half a minute. The run takes that
	// time at its end; if it is more than the engine's Config.CleanupTimeout the next run deletes the index. An index
	// to which someone gave an alias meanwhile stays for good. Default 1 s; negative: none.
	RetireDelay time.Duration

	// ReplicaTimeout limits how long Seal waits for the replicas that Settings ask for. Where Settings ask for none,
	// Seal does not wait. Default 10 min.
	ReplicaTimeout time.Duration

	// ReapAfter is after which time without a sign of life a generation of another process counts as dead, at least a
	// minute. A generation shows a sign of life four times in that span. The clocks of all processes must agree to
	// within half of it. Default 10 min.
	ReapAfter time.Duration

	// Logger receives which indexes are deleted, and why; and what needs attention although a run goes on, such as an
	// old index that cannot be removed or a template that gives aliases. Nil discards it.
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

// validate reports every setting of a config with defaults that makes no sense, the JSON ones aside.
func (c *Config) validate() error {
	var errs []error
	if !prefixGrammar.MatchString(c.Prefix) || len(c.Prefix) > maxPrefixBytes {
		errs = append(errs, fmt.Errorf("field Prefix is %q, it must match %s and have at most %d bytes", c.Prefix, prefixGrammar, maxPrefixBytes))
	}
	if c.ReplicaTimeout < 0 {
		errs = append(errs, fmt.Errorf("field ReplicaTimeout is %v, it must be positive", c.ReplicaTimeout))
	}
	if c.KeepPrevious < 0 {
		errs = append(errs, fmt.Errorf("field KeepPrevious is %d, it must not be negative", c.KeepPrevious))
	}
	if c.KeepFor < 0 {
		errs = append(errs, fmt.Errorf("field KeepFor is %v, it must not be negative", c.KeepFor))
	}
	if c.ReapAfter < minReapAfter {
		errs = append(errs, fmt.Errorf("field ReapAfter is %v, it must be at least %v", c.ReapAfter, minReapAfter))
	}
	return errors.Join(errs...)
}
