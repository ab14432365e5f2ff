package fleet

import (
	"cmp"
	"errors"
	"fmt"
	"time"

	"productindex/reindex"
)

// Role is the role of a process in a fleet.
type Role int

// The roles.
const (
	// Both can trigger runs and works on them.
	Both Role = iota
	// Trigger starts, cancels and shows jobs, but works on none.
	Trigger
	// Worker works on runs and parts. It behaves like Both; the name documents the purpose of the process.
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
	// Engine is the configuration of the engine in this process. Jobs, Changes and Loader must be nil, because the fleet
	// sets them. MaxRuns is the number of runs that this process supervises at the same time. Supervising a run takes few
	// resources, so the default of MaxRuns is 8.
	Engine reindex.Config
	// Role is the role of this process. Default [Both].
	Role Role
	// Lease is the time without a renewal after which another process gets a run or a part. It must be the same in all
	// processes. Default [DefaultLease], at least [MinLease].
	Lease time.Duration
	// PartProducts is the approximate number of products per part, if the source announces a number of products. A part
	// should take some seconds. Default [DefaultPartProducts].
	PartProducts int
	// Parts is the number of parts that this process loads at the same time. Default [DefaultParts].
	Parts int
	// TenantParts is the largest number of parts per tenant that are in the queue or being loaded, in all processes
	// together. Default [DefaultTenantParts].
	TenantParts int
	// BytesInFlight limits the bytes of products that all processes together send to the index at the same time. Each part
	// that is loaded counts as reindex.Engine.PartBytes bytes, and a part that would exceed the limit waits. BytesInFlight
	// must be the same in all processes. 0 means no limit.
	BytesInFlight int64
	// Attempts is the number of failed attempts to load a part after which the run fails. An attempt whose process dies
	// also counts. Default [DefaultAttempts].
	Attempts int
	// PartTimeout limits the time of an attempt to load a part, in case it hangs. It must be far longer than a part takes.
	// Default [DefaultPartTimeout].
	PartTimeout time.Duration
	// RetryDelay is the wait before the second attempt to load a part. The wait doubles before each further attempt.
	// Default one second.
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

// validate returns an error that names every setting that is not valid. The defaults must have been set.
func (c *Config) validate() error {
	var errs []error
	refuse := func(format string, args ...any) { errs = append(errs, fmt.Errorf(format, args...)) }
	if c.Engine.Jobs != nil || c.Engine.Loader != nil || c.Engine.Changes != nil {
		refuse("Engine.Jobs, Engine.Changes and Engine.Loader must be nil, because the fleet sets them")
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
