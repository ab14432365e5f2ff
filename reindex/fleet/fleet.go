package fleet

import (
	"context"
	"crypto/sha256"
	"database/sql"
	"encoding/hex"
	"errors"
	"fmt"
	"iter"
	"log/slog"
	"regexp"
	"strings"
	"sync"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/jackc/pgx/v5/stdlib"
	"github.com/riverqueue/river"
	"github.com/riverqueue/river/riverdriver/riverpgxv5"
	"github.com/riverqueue/river/rivertype"

	"productindex/reindex"
	"productindex/reindex/jobsql"
)

// jobLease is the lease of the job store. It never expires, because a job of a fleet does not fail when its process
// dies: Config.Lease determines when another process takes the job over.
const jobLease = 100 * 365 * 24 * time.Hour

// Fleet is one process of a fleet. It has the methods of a [reindex.Engine] that handlers and programs need. It is safe
// for concurrent use.
type Fleet struct {
	cfg    Config
	pool   *pgxpool.Pool
	db     *sql.DB
	store  *jobsql.Store
	engine *reindex.Engine
	river  *river.Client[pgx.Tx]
	log    *slog.Logger
	queues queues

	mu       sync.Mutex
	stopping context.CancelFunc // ends the sweeps; nil before Work
	swept    chan struct{}      // closed when the sweeps have ended
	over     bool               // Shutdown was called
}

// queues are the names of the River queues of an entity type.
type queues struct{ runs, parts string }

var queueGrammar = regexp.MustCompile(`^[a-z0-9]([a-z0-9_-]{0,40}[a-z0-9])?$`)

func queuesOf(entityType string) queues {
	name := strings.ToLower(entityType)
	if !queueGrammar.MatchString(name) || name == entityType {
		sum := sha256.Sum256([]byte(entityType)) // types that differ only in case need different queues
		name = hex.EncodeToString(sum[:8])
	}
	return queues{"reindex_runs_" + name, "reindex_parts_" + name}
}

// New returns a process of the fleet that uses the database of the pool. It creates missing tables. The caller closes
// the pool after Shutdown.
//
// The error names every setting that is not valid. It matches [errors.ErrUnsupported] if the index is not a
// [reindex.Joiner], so that other processes cannot write into it.
func New(ctx context.Context, pool *pgxpool.Pool, src reindex.Source, ix reindex.Indexer, cfg *Config) (*Fleet, error) {
	if pool == nil {
		return nil, errors.New("fleet: New needs a pool of connections")
	}
	f := &Fleet{cfg: cfg.withDefaults(), pool: pool}
	if err := f.cfg.validate(); err != nil {
		return nil, err
	}
	if f.log = f.cfg.Engine.Logger; f.log == nil {
		f.log = slog.New(slog.DiscardHandler)
	}
	f.queues = queuesOf(f.cfg.Engine.EntityType)
	if err := migrate(ctx, pool); err != nil {
		return nil, err
	}
	f.db = stdlib.OpenDBFromPool(pool)
	if err := f.open(ctx, src, ix); err != nil {
		return nil, errors.Join(err, f.db.Close())
	}
	return f, nil
}

// open creates the job store, the engine and the River client.
func (f *Fleet) open(ctx context.Context, src reindex.Source, ix reindex.Indexer) (err error) {
	if f.store, err = jobsql.New(ctx, f.db, &jobsql.Config{Dialect: jobsql.PostgreSQL, Lease: jobLease}); err != nil {
		return err
	}
	changes, err := f.openChanges(ctx)
	if err != nil {
		return err
	}
	engine := f.cfg.Engine
	engine.Changes = changes
	engine.Jobs, engine.Loader = jobs{f.store, f.cfg.Lease}, &loader{f}
	if f.engine, err = reindex.New(src, ix, &engine); err != nil {
		return err
	}
	f.river, err = river.NewClient(riverpgxv5.New(f.pool), f.riverConfig())
	if err != nil {
		return fmt.Errorf("fleet: %w", err)
	}
	return nil
}

// openChanges returns the log of changes that all processes share. A claim on it lasts for Config.Lease. Products use
// the default log of package jobsql, so that a host can join and leave a fleet without losing changes.
func (f *Fleet) openChanges(ctx context.Context) (*jobsql.Changes, error) {
	store, err := jobsql.New(ctx, f.db, &jobsql.Config{Dialect: jobsql.PostgreSQL, Lease: f.cfg.Lease})
	if err != nil {
		return nil, err
	}
	name := f.queues.parts
	if f.cfg.Engine.EntityType == reindex.EntityProduct {
		name = jobsql.DefaultChangesName
	}
	return store.Changes(&jobsql.ChangesConfig{Name: name, Bytes: int64(f.cfg.Engine.ChangeBytes)})
}

// Update applies changes of the tenant's products to the live index and to the generation of a run in progress; see
// [reindex.Engine.Update]. It returns when the changes are stored in the log.
func (f *Fleet) Update(ctx context.Context, tenant string, changes ...reindex.Change) error {
	return f.engine.Update(ctx, tenant, changes...)
}

// Settle waits until the accepted changes are searchable; see [reindex.Engine.Settle].
func (f *Fleet) Settle(ctx context.Context, tenant string) error { return f.engine.Settle(ctx, tenant) }

// Changes returns the state of the tenant's changes; see [reindex.Engine.Changes].
func (f *Fleet) Changes(ctx context.Context, tenant string) (reindex.ChangeState, error) {
	return f.engine.Changes(ctx, tenant)
}

// Tenants returns the tenants that have jobs, each once, in ascending order.
func (f *Fleet) Tenants(ctx context.Context) ([]string, error) { return f.engine.Tenants(ctx) }

// fetchCooldown is the shortest time between two fetches of a worker from a queue. It is short because parts that end
// together free their places one after another: the fetch after the first gets only one part, and the others must not
// wait long for the next fetch.
const fetchCooldown = 5 * time.Millisecond

func (f *Fleet) riverConfig() *river.Config {
	cfg := &river.Config{Logger: f.log}
	if f.cfg.Role == Trigger {
		return cfg
	}
	cfg.Workers = river.NewWorkers()
	river.AddWorker(cfg.Workers, &runWorker{fleet: f})
	river.AddWorker(cfg.Workers, &partWorker{fleet: f})
	cfg.Queues = map[string]river.QueueConfig{
		f.queues.runs:  {MaxWorkers: f.cfg.Engine.MaxRuns},
		f.queues.parts: {MaxWorkers: f.cfg.Parts},
	}
	cfg.FetchCooldown = fetchCooldown
	cfg.JobTimeout = f.cfg.PartTimeout
	cfg.RescueStuckJobsAfter = f.cfg.PartTimeout + time.Minute
	return cfg
}

// jobs is the job store as engines see it, with the lease of the fleet.
type jobs struct {
	reindex.JobStore

	lease time.Duration
}

func (j jobs) Lease() time.Duration     { return j.lease }
func (j jobs) Unwrap() reindex.JobStore { return j.JobStore }

// Work starts to work on runs and parts in the background, and returns. The work continues until Shutdown; ctx bounds
// only the start. In a process whose role is [Trigger], Work does nothing. After Shutdown, the error matches
// [reindex.ErrShutdown].
func (f *Fleet) Work(ctx context.Context) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.cfg.Role == Trigger || f.stopping != nil {
		return nil
	}
	if f.over {
		return fmt.Errorf("fleet: %w", reindex.ErrShutdown)
	}
	base := context.WithoutCancel(ctx)
	if err := f.river.Start(base); err != nil {
		return fmt.Errorf("fleet: starting River: %w", err)
	}
	base, f.stopping = context.WithCancel(base)
	f.swept = make(chan struct{})
	go func() {
		defer close(f.swept)
		f.sweep(base)
	}()
	return nil
}

// EntityType returns the type of the entities that the fleet reindexes.
func (f *Fleet) EntityType() string { return f.engine.EntityType() }

// Start calls StartWith without options.
func (f *Fleet) Start(ctx context.Context, tenant string) (job reindex.Job, started bool, err error) {
	return f.StartWith(ctx, tenant, reindex.Options{})
}

// StartWith stores a job of the tenant for a worker and returns the job at once. If the tenant has an unfinished job,
// StartWith returns that job and reports false. The errors are those of [reindex.Engine.StartWith].
func (f *Fleet) StartWith(
	ctx context.Context, tenant string, options reindex.Options,
) (job reindex.Job, started bool, err error) {
	job, started, err = f.engine.Create(ctx, tenant, options)
	if err != nil || !started {
		return job, false, err
	}
	if err := f.enqueueRun(ctx, job); err != nil {
		f.log.WarnContext(ctx, "enqueuing the reindex failed; a worker will find it later",
			"tenant", tenant, "job", job.ID, "error", err)
	}
	return job, true, nil
}

// Generations returns the generations of the tenant; see [reindex.Engine.Generations]. StartWith with Options.Rollback
// makes one of them live.
func (f *Fleet) Generations(ctx context.Context, tenant string) ([]reindex.GenerationInfo, error) {
	return f.engine.Generations(ctx, tenant)
}

// enqueueRun adds a job to the queue of runs, unless it waits there already. A worker takes the job over if its fencing
// token has not changed by then.
func (f *Fleet) enqueueRun(ctx context.Context, job reindex.Job) error {
	args := runArgs{Tenant: job.Tenant, Job: job.ID, Fence: job.Fence}
	for {
		inserted, err := f.river.Insert(ctx, args, &river.InsertOpts{
			Queue: f.queues.runs, UniqueOpts: river.UniqueOpts{ByArgs: true},
		})
		if err != nil || !inserted.UniqueSkippedAsDuplicate || inserted.Job.State != rivertype.JobStateRunning {
			return err
		}
		args.Instead = inserted.Job.ID
	}
}

// Job returns the current state of a job of the tenant. If there is no such job, the error matches
// [reindex.ErrJobNotFound].
func (f *Fleet) Job(ctx context.Context, tenant, id string) (reindex.Job, error) {
	return f.engine.Job(ctx, tenant, id)
}

// Jobs returns the jobs of the tenant that the query selects, newest first unless the query sorts them, and the number
// of all that match.
func (f *Fleet) Jobs(
	ctx context.Context, tenant string, query reindex.JobQuery,
) (jobs []reindex.Job, total int, err error) {
	return f.engine.Jobs(ctx, tenant, query)
}

// Watch yields the current state of a job, and its state after each change until the job has ended.
func (f *Fleet) Watch(ctx context.Context, tenant, id string) iter.Seq2[reindex.Job, error] {
	return f.engine.Watch(ctx, tenant, id)
}

// Cancel asks a job to stop and returns at once. A job that no worker has taken yet is cancelled before Cancel returns.
func (f *Fleet) Cancel(ctx context.Context, tenant, id string) error {
	if err := f.engine.Cancel(ctx, tenant, id); err != nil {
		return err
	}
	job, err := f.store.Get(ctx, tenant, id)
	if err != nil || job.Status != reindex.StatusPending {
		return nil //nolint:nilerr // the process that runs the job sees the cancellation
	}
	job, taken, err := f.store.TakeOver(ctx, tenant, id, job.Fence)
	if err != nil || !taken {
		return nil //nolint:nilerr // as above
	}
	_, err = f.engine.Resume(context.WithoutCancel(ctx), job, "")
	if errors.Is(err, reindex.ErrCancelled) {
		return nil
	}
	return err
}

// Shutdown stops accepting runs and parts. It leaves the runs of this process to other processes at once, and waits
// until the parts that this process loads have ended. If ctx ends first, Shutdown also leaves these parts to other
// processes and returns the cause of ctx's end.
func (f *Fleet) Shutdown(ctx context.Context) error {
	f.mu.Lock()
	f.over = true
	stop := f.stopping
	f.mu.Unlock()
	leave, cancel := context.WithCancel(context.WithoutCancel(ctx))
	cancel()
	err := f.engine.Shutdown(leave)
	if stuck := (*reindex.StuckError)(nil); !errors.As(err, &stuck) {
		err = nil
	}
	if stop != nil {
		stop()
		<-f.swept
		err = errors.Join(err, f.stopRiver(ctx))
	}
	return errors.Join(err, f.db.Close())
}

// stopTimeout limits the wait for the end of cancelled parts.
const stopTimeout = 30 * time.Second

func (f *Fleet) stopRiver(ctx context.Context) error {
	if err := f.river.Stop(ctx); err == nil {
		return nil
	}
	limited, cancel := context.WithTimeout(context.WithoutCancel(ctx), stopTimeout)
	defer cancel()
	if err := f.river.StopAndCancel(limited); err != nil {
		return fmt.Errorf("fleet: stopping River: %w", err)
	}
	return context.Cause(ctx)
}
