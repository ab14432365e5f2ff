package reindex

import "context"

// traced calls a function of a Trace and recovers from its panic.
func (c *Config) traced(f func()) {
	if err := guard(func() error { f(); return nil }); err != nil {
		c.Logger.Error("a trace function failed", "error", err)
	}
}

// starts calls the first function of a pair and returns its context, or ctx if that is nil.
func (c *Config) starts(ctx context.Context, f func() context.Context) context.Context {
	var inner context.Context
	c.traced(func() { inner = f() }) //nolint:fatcontext // the host's function derives it
	if inner == nil {
		return ctx
	}
	return inner
}
