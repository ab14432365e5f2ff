package fleet

import (
	"cmp"
	"errors"
	"fmt"
	"time"

	"productindex/reindex"
)

// Role is what a process of a fleet does.
type Role int

// The roles.
const (
	// Both triggers and works.
	Both Role = iota
	// Trigger starts, cancels and shows jobs. It runs none.
	Trigger
	// Worker does the same, and works on runs and parts. It differs from Both in nothing but what it is meant for.
	Worker
)

// The defaults and limits of [Config].
const (
	DefaultLease        = 30 * time.Second
	MinLease            = 400 * time.Millisecond
	DefaultPartProducts = 20_000
	DefaultParts        = 2
	DefaultTenantParts  = 16
	DefaultAttempts     = 3
	DefaultPartTimeout  = time.Hour
)

// Config configures a [Fleet]. The zero value of each field stands for its default. New copies it.
type Config struct {
	// Engine is the configuration of the engine in each process. Jobs, Changes and Loader are the fleet's. MaxRuns is how
	// many runs this process looks after at the same time; that takes little, as parts are loaded apart from it. Default
	// 8.
	Engine reindex.Config
	// Role is what this process does. Default [Both].
	Role Role
	// Lease is after which time without a sign of life a run or a part is given to another process. Default
	// [DefaultLease], at least [MinLease]. It is the same in all processes.
	Lease time.Duration
	// PartProducts is about the number of products that a part has, if the source says how many there are: enough for some
	// seconds of work. Default [DefaultPartProducts].
	PartProducts int
	// Parts is the number of parts that this process loads at the same time. Default [DefaultParts].
	Parts int
	// TenantParts is the number of parts of one tenant that are loaded, or wait in the queue, at the same time, in all
	// processes together. Default [DefaultTenantParts].
	TenantParts int
	// BytesInFlight limits the bytes of products that all processes together have on their way to the index: parts wait
	// that would exceed it. A part takes reindex.Engine.PartBytes of it. 0: no limit. It is the same in all processes.
	BytesInFlight int64
	// Attempts is how often a part is tried before the run fails. A worker that dies has tried. Default [DefaultAttempts].
	Attempts int
	// PartTimeout ends the try of a part that hangs: far longer than a part takes. Default [DefaultPartTimeout].
	PartTimeout time.Duration
	// RetryDelay is how long a part that failed waits before its second try; twice as long before each further one.
	// Default 1 s.
	RetryDelay time.Duration
}

const defaultMaxRuns = 8

// withDefaults returns a copy of c in which every field that is not set has its default.
func (c *Config) withDefaults() Config {
	var out Config
	if c != nil {
		out = *c
	}
	out.Engine.EntityType = cmp.Or(out.Engine.EntityType, reindex.EntityProduct)
	out.Engine.MaxRuns = cmp.Or(out.Engine.MaxRuns, defaultMaxRuns)
	out.Lease = cmp.Or(out.Lease, DefaultLease)
	out.PartProducts = cmp.Or(out.PartProducts, DefaultPartProducts)
	out.Parts = cmp.Or(out.Parts, DefaultParts)
	out.TenantParts = cmp.Or(out.TenantParts, DefaultTenantParts)
	out.Attempts = cmp.Or(out.Attempts, DefaultAttempts)
	out.PartTimeout = cmp.Or(out.PartTimeout, DefaultPartTimeout)
	out.RetryDelay = cmp.Or(out.RetryDelay, time.Second)
	return out
}

// validate reports every setting of a config with defaults that makes no sense.
func (c *Config) validate() error {
	var errs []error
	refuse := func(format string, args ...any) { errs = append(errs, fmt.Errorf(format, args...)) }
	if c.Engine.Jobs != nil || c.Engine.Loader != nil || c.Engine.Changes != nil {
		refuse("Engine.Jobs, Engine.Changes and Engine.Loader are the fleet's own, and set")
	}
	if c.Role < Both || c.Role > Worker {
		refuse("Role is %d, it must be Both, Trigger or Worker", c.Role)
	}
	if c.Lease < MinLease {
		refuse("Lease is %v, it must be at least %v", c.Lease, MinLease)
	}
	for name, value := range map[string]int64{
		"PartProducts": int64(c.PartProducts), "Parts": int64(c.Parts), "TenantParts": int64(c.TenantParts),
		"Attempts": int64(c.Attempts), "PartTimeout": int64(c.PartTimeout), "RetryDelay": int64(c.RetryDelay),
	} {
		if value < 1 {
			refuse("%s is %d, it must be positive", name, value)
		}
	}
	if c.BytesInFlight < 0 {
		refuse("BytesInFlight is %d, it must not be negative", c.BytesInFlight)
	}
	if err := errors.Join(errs...); err != nil {
		return fmt.Errorf("fleet: invalid config: %w", err)
	}
	return nil
}
