// Package schedule starts reindexes by the clock: for each tenant, at the times of a cron expression in a time zone.
//
//	s, err := schedule.New(engine, nil)
//	...
//	err = s.Set(schedule.Entry{Tenant: "acme", Cron: "30 2 * * *", Location: berlin, Jitter: 10 * time.Minute})
//	...
//	s.Run(ctx) // until ctx ends
//
// # One start for each time
//
// Several processes can run the same schedule over one job store. If a job of the tenant was created at the scheduled
// time or after it, by any process, the tenant is not reindexed again. A time that the clock shows twice, when summer
// time ends, counts once. A time that the clock skips, when summer time begins, is moved later by the length of the
// gap.
//
// # Missed times
//
// A scheduled time can pass while the process does not run, or while no job can be created. If it has passed by more
// than Config.Grace, it is missed: this is logged and counted. With Config.CatchUp a reindex is started anyway. Times
// that were missed before the process started are derived from the tenant's last job. If there is no job, they are not
// known.
package schedule

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"slices"
	"sync"
	"time"

	"productindex/reindex"
)

// Engine has the methods of an engine that a scheduler calls. [*reindex.Engine] implements it.
type Engine interface {
	EntityType() string
	Start(ctx context.Context, tenant string) (job reindex.Job, started bool, err error)
	Jobs(ctx context.Context, tenant string, query reindex.JobQuery) (jobs []reindex.Job, total int, err error)
}

// Entry says when a tenant is reindexed.
type Entry struct {
	// Tenant is the tenant to reindex.
	Tenant string
	// Cron is an expression of five fields: minute, hour, day of month, month and day of week; or one of @hourly,
	// @daily, @weekly, @monthly and @yearly.
	Cron string
	// Location is the time zone of the clock. Nil: UTC.
	Location *time.Location
	// Jitter is the longest random delay of a start, which keeps tenants with the same schedule from starting together.
	// Default 0.
	Jitter time.Duration
}

// Config configures a [Scheduler]. Nil and the zero value mean the defaults.
type Config struct {
	// Grace is how late a reindex may start. Default 5 min.
	Grace time.Duration
	// CatchUp starts a reindex even after Grace, once for all times that were missed.
	CatchUp bool
	// Logger receives the log records. Nil discards them.
	Logger *slog.Logger
}

const (
	defaultGrace = 5 * time.Minute
	// skew is the allowed difference between the clocks of processes; it is at most half of the time between two starts.
	skew = time.Minute
	// lookBack is how far before its start a process looks for missed times.
	lookBack = 8 * 24 * time.Hour
)

// Status is an entry with its state.
type Status struct {
	Entry

	// Next is the time of the next reindex, without the jitter.
	Next time.Time
	// Last is the last scheduled time that has come; zero if there was none.
	Last time.Time
	// Job is the id of the job that was started or joined at that time; empty if there was none.
	Job string
	// Missed counts the times that were missed.
	Missed int64
	// LastMissed is the latest of the missed times; zero if there was none.
	LastMissed time.Time
}

// Scheduler starts reindexes by the clock. It is safe for concurrent use.
type Scheduler struct {
	engine Engine
	cfg    Config

	mu      sync.Mutex
	plans   []*plan
	changed chan struct{} // closed, and replaced, by Set
}

// plan is an entry with its next time. Scheduler.mu guards it.
type plan struct {
	Status

	times times
	at    time.Time // Next, with the jitter
	busy  bool
	fresh bool // times missed before the start have not been looked for yet
}

// New returns a scheduler without entries.
func New(engine Engine, cfg *Config) (*Scheduler, error) {
	if engine == nil {
		return nil, errors.New("schedule: the engine is nil")
	}
	s := &Scheduler{engine: engine, changed: make(chan struct{})}
	if cfg != nil {
		s.cfg = *cfg
	}
	s.cfg.Grace = cmp.Or(s.cfg.Grace, defaultGrace)
	if s.cfg.Grace < 0 {
		return nil, fmt.Errorf("schedule: Grace is %v, it must not be negative", s.cfg.Grace)
	}
	if s.cfg.Logger == nil {
		s.cfg.Logger = slog.New(slog.DiscardHandler)
	}
	return s, nil
}

// Set replaces all entries. If one is not valid, nothing changes, and the error names every invalid entry.
func (s *Scheduler) Set(entries ...Entry) error {
	var errs []error
	now := time.Now()
	plans := make([]*plan, 0, len(entries))
	for _, e := range entries {
		t, err := parse(e)
		if err != nil {
			errs = append(errs, fmt.Errorf("schedule of tenant %q: %w", e.Tenant, err))
			continue
		}
		p := &plan{Status: Status{Entry: e}, times: t, fresh: true}
		p.plan(now)
		plans = append(plans, p)
	}
	if err := errors.Join(errs...); err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, p := range plans { // an entry that stays keeps its past
		if i := slices.IndexFunc(s.plans, func(old *plan) bool { return old.Entry == p.Entry }); i >= 0 {
			old := s.plans[i].Status
			p.Last, p.Job, p.Missed, p.LastMissed = old.Last, old.Job, old.Missed, old.LastMissed
			p.fresh = s.plans[i].fresh
		}
	}
	s.plans = plans
	close(s.changed)
	s.changed = make(chan struct{})
	return nil
}

// plan sets the next time after a moment.
func (p *plan) plan(after time.Time) {
	p.Next = p.times.next(after)
	p.at = p.Next
	if p.Jitter > 0 {
		p.at = p.at.Add(rand.N(p.Jitter)) //nolint:gosec // it need not be unpredictable
	}
}

// miss records that n times were missed. latest is the last of them.
func (p *plan) miss(n int64, latest time.Time) {
	if n > 0 {
		p.Missed, p.LastMissed = p.Missed+n, latest
	}
}

// List returns all entries with their states, in the order of their tenants.
func (s *Scheduler) List() []Status {
	list := s.statuses(func(Entry) bool { return true })
	slices.SortStableFunc(list, func(a, b Status) int { return cmp.Compare(a.Tenant, b.Tenant) })
	return list
}

// Of returns the tenant's entries with their states, in the order in which Set received them.
func (s *Scheduler) Of(tenant string) []Status {
	return s.statuses(func(e Entry) bool { return e.Tenant == tenant })
}

func (s *Scheduler) statuses(wanted func(Entry) bool) []Status {
	s.mu.Lock()
	defer s.mu.Unlock()
	list := []Status{}
	for _, p := range s.plans {
		if wanted(p.Entry) {
			list = append(list, p.Status)
		}
	}
	return list
}

// Run starts reindexes until ctx ends. It does not wait for reindexes in progress.
func (s *Scheduler) Run(ctx context.Context) {
	var starting sync.WaitGroup
	defer starting.Wait()
	for ctx.Err() == nil {
		due, soonest, changed := s.due(time.Now())
		for _, look := range due {
			starting.Go(func() { s.attend(ctx, look) })
		}
		if len(due) > 0 {
			continue
		}
		wait(ctx, soonest, changed)
	}
}

// longest is the longest time that Run sleeps, so that it soon notices that the machine was asleep.
const longest = time.Minute

func wait(ctx context.Context, until time.Time, changed <-chan struct{}) {
	d := longest
	if !until.IsZero() {
		d = min(d, time.Until(until))
	}
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-changed:
	case <-ctx.Done():
	}
}

// look is a time of a plan that has come, or a past time that may have been missed.
type look struct {
	plan   *plan
	at     time.Time
	before time.Time // the previous time, if it is known
	fresh  bool
}

// due returns the times that have come, the next time, and a channel that is closed when the plans change.
func (s *Scheduler) due(now time.Time) (due []look, soonest time.Time, changed <-chan struct{}) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, p := range s.plans {
		switch {
		case p.busy:
		case p.fresh:
			p.fresh, p.busy = false, true
			due = append(due, look{plan: p, at: p.times.last(now, lookBack), fresh: true})
		case !p.at.After(now):
			p.busy = true
			due = append(due, look{plan: p, at: p.times.latest(p.Next, now), before: p.Last})
			p.miss(p.times.between(p.Next, now))
		}
		if !p.busy && (soonest.IsZero() || p.at.Before(soonest)) {
			soonest = p.at
		}
	}
	return due, soonest, s.changed
}

// attend starts the reindex of a time, and records the outcome.
func (s *Scheduler) attend(ctx context.Context, l look) {
	job, missed := "", false
	if !l.at.IsZero() {
		job, missed = s.start(ctx, l)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	p := l.plan
	p.busy = false
	if !l.at.IsZero() && (job != "" || missed || !l.fresh) {
		p.Last, p.Job = l.at, job
	}
	if missed {
		p.miss(1, l.at)
	}
	if !l.fresh {
		p.plan(later(l.at, time.Now()))
	}
	close(s.changed)
	s.changed = make(chan struct{})
}

func later(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}

// start starts the reindex of a scheduled time, unless it was started already or it is too late. It repeats failed
// attempts until it is too late.
func (s *Scheduler) start(ctx context.Context, l look) (job string, missed bool) {
	tenant := l.plan.Tenant
	logger := s.cfg.Logger.With("tenant", tenant, "scheduled", l.at)
	limit := l.at.Add(l.plan.Jitter + s.cfg.Grace)
	since := l.at.Add(-l.skew())
	for delay := time.Second; ; delay = min(2*delay, time.Minute) {
		late := time.Now().After(limit)
		done, known, err := s.done(ctx, tenant, since)
		switch {
		case err == nil && (done || l.fresh && !known):
			logger.DebugContext(ctx, "schedule: the tenant was reindexed already")
			return "", false
		case err == nil && late && !s.cfg.CatchUp:
			logger.WarnContext(ctx, "schedule: a reindex was missed", "late", time.Since(l.at).String())
			return "", true
		case err == nil:
			if job, err = s.trigger(ctx, logger, tenant); err == nil {
				return job, late
			}
		}
		if ctx.Err() != nil {
			return "", false
		}
		if late || errors.Is(err, reindex.ErrShutdown) || errors.Is(err, reindex.ErrTenant) {
			logger.ErrorContext(ctx, "schedule: a reindex was missed, since it cannot be started", "error", err)
			return "", true
		}
		logger.WarnContext(ctx, "schedule: a reindex cannot be started; it will be tried again", "error", err)
		wait(ctx, time.Now().Add(delay), nil)
	}
}

// skew returns how long before its time the job may have been created.
func (l look) skew() time.Duration {
	most := min(skew, l.plan.times.next(l.at).Sub(l.at)/2)
	if !l.before.IsZero() {
		most = min(most, l.at.Sub(l.before)/2)
	}
	return most
}

// done reports whether a job of the tenant was created at a time or later, and whether the tenant has any job.
func (s *Scheduler) done(ctx context.Context, tenant string, since time.Time) (done, known bool, err error) {
	jobs, _, err := s.engine.Jobs(ctx, tenant, reindex.JobQuery{
		Limit: 1, Match: func(job reindex.Job) bool { return job.EntityType == s.engine.EntityType() },
	})
	if err != nil || len(jobs) == 0 {
		return false, false, err
	}
	return !jobs[0].Created.Before(since), true, nil
}

// trigger starts a run.
func (s *Scheduler) trigger(ctx context.Context, logger *slog.Logger, tenant string) (string, error) {
	job, started, err := s.engine.Start(ctx, tenant)
	if err != nil {
		return "", err
	}
	if started {
		logger.InfoContext(ctx, "schedule: a reindex was started", "job", job.ID)
	} else {
		logger.WarnContext(ctx, "schedule: the previous reindex is still in progress; no other was started", "job", job.ID)
	}
	return job.ID, nil
}
