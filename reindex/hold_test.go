package reindex_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"productindex/reindex"
	"productindex/reindex/reindextest"
)

// A run that cannot replay the last changes within MaxHold lets updates continue, and tries again. After the third
// attempt it fails, and the live index is as before.
func TestMaxHoldLetsUpdatesGo(t *testing.T) {
	const maxHold = 10 * time.Second
	for _, late := range []int{1, 1000} { // the number of slow replays, during each of which a change is made
		t.Run(fmt.Sprint(late), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var b bench
				var updates sync.WaitGroup
				want, edits := revsOf(100, "old"), 0
				update := func() {
					edits++
					id := fmt.Sprint("n", edits)
					want[id] = "1"
					updates.Go(func() { mustUpdate(t, b, upsert(id, "1")) })
				}
				var once sync.Once
				b = newBench(t, reindextest.Slice(reindextest.Products(100, "new")), &reindex.Config{
					MaxHold: maxHold,
					Trace: &reindex.Trace{PhaseStarted: func(ctx context.Context, _ reindex.JobInfo, p reindex.Phase) context.Context {
						if p == reindex.PhaseCommit {
							once.Do(update)
							updates.Wait() // until the log has the change
						}
						return ctx
					}},
				}, func(c reindextest.Call) reindextest.Fault {
					if c.Op != reindextest.OpEdit || c.N > late {
						return reindextest.Fault{}
					}
					if late > 1 {
						update()
					}
					return reindextest.Fault{Delay: time.Minute}
				})
				report, err := b.Run(t.Context(), tenant)
				updates.Wait()
				if late == 1 {
					for id := range revsOf(100, "") {
						want[id] = "new"
					}
				}
				b.assertRevs(t, want)
				gate, isGate := errors.AsType[*reindex.GateError](err)
				held := report.Durations.Held
				switch {
				case late == 1 && (err != nil || held < maxHold || held >= 2*maxHold):
					t.Errorf("updates were held for %v, error %v, want once %v", held, err, maxHold)
				case late > 1 && (!isGate || gate.Rule != reindex.RuleCurrent || held != 3*maxHold):
					t.Errorf("updates were held for %v, error %v, want 3 times %v", held, err, maxHold)
				}
				if failed, ok := errors.AsType[*reindex.RunError](err); ok && failed.MayBeLive {
					t.Errorf("the error says that the new index may be live, but it is not: %v", err)
				}
				if err := b.Shutdown(t.Context()); err != nil {
					t.Error(err)
				}
			})
		})
	}
}

// unclaimed is a durable log that gives no claims while forgot is set.
type unclaimed struct {
	lasting

	forgot *atomic.Bool
}

func (u unclaimed) Claim(ctx context.Context, tenant, holder string, urgent bool) (fence, applied int64, err error) {
	if u.forgot.Load() {
		return 0, 0, reindex.ErrClaimed
	}
	return u.lasting.Claim(ctx, tenant, holder, urgent)
}

// slowLog is a durable log that does not answer some renewals of claims.
type slowLog struct {
	lasting

	mute *atomic.Int64 // the number of renewals that it will not answer
}

func (s slowLog) Claim(ctx context.Context, tenant, holder string, urgent bool) (fence, applied int64, err error) {
	if _, renewal := ctx.Deadline(); renewal && !urgent && s.mute.Load() > 0 && s.mute.Add(-1) >= 0 {
		<-ctx.Done()
		return 0, 0, fmt.Errorf("the database: %w", ctx.Err())
	}
	return s.lasting.Claim(ctx, tenant, holder, urgent)
}

// If the claim on the live index cannot be renewed in time before the switch-over, the run lets updates continue, and
// tries again.
func TestSlowRenewalBeforeACommit(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var b bench
		var once sync.Once
		changes := slowLog{lasting{reindex.NewChanges(0)}, new(atomic.Int64)}
		b = newBench(t, reindextest.Slice(reindextest.Products(100, "new")), &reindex.Config{
			Changes: changes,
			Trace: &reindex.Trace{PhaseStarted: func(ctx context.Context, _ reindex.JobInfo, p reindex.Phase) context.Context {
				if p == reindex.PhaseCommit {
					once.Do(func() { mustUpdate(t, b, upsert("n", "1")) })
				}
				return ctx
			}},
		}, func(c reindextest.Call) reindextest.Fault {
			if c.Op != reindextest.OpEdit {
				return reindextest.Fault{}
			}
			if c.N == 1 {
				changes.mute.Store(2) // the renewal in the background, and the one before Commit
			}
			return reindextest.Fault{Delay: 3 * time.Second}
		})
		report, err := b.Run(t.Context(), tenant)
		if err != nil || report.Durations.Held < 3*time.Second || changes.mute.Load() > 0 {
			t.Errorf("updates were held for %v, %d unanswered renewals are left, error %v, want at least 3 s and none",
				report.Durations.Held, changes.mute.Load(), err)
		}
		if err := b.Settle(t.Context(), tenant); err != nil {
			t.Error(err)
		}
		want := revsOf(100, "new")
		want["n"] = "1"
		b.assertRevs(t, want)
		if err := b.Shutdown(t.Context()); err != nil {
			t.Error(err)
		}
	})
}

// A run that loses its claim again and again before the last changes are replayed fails, and its error names the claim.
func TestClaimLostAgainAndAgain(t *testing.T) {
	for _, test := range []struct {
		slow int // the replay that lasts for longer than MaxHold, instead of losing the claim
		want string
	}{
		{0, "the claim on the live index was lost before the last changes were replayed, 3 times"},
		{3, "2 of 3 attempts to replay the last changes lost the claim on the live index, " +
			"and the others took longer than 30s"},
	} {
		synctest.Test(t, func(t *testing.T) {
			var b bench
			var updates sync.WaitGroup
			edits := 0
			update := func() {
				edits++
				id := fmt.Sprint("n", edits)
				updates.Go(func() { mustUpdate(t, b, upsert(id, "1")) })
			}
			var once sync.Once
			changes := slowLog{lasting{reindex.NewChanges(0)}, new(atomic.Int64)}
			b = newBench(t, reindextest.Slice(reindextest.Products(100, "new")), &reindex.Config{
				Changes: changes, MaxHold: 30 * time.Second,
				Trace: &reindex.Trace{PhaseStarted: func(ctx context.Context, _ reindex.JobInfo, p reindex.Phase) context.Context {
					if p == reindex.PhaseCommit {
						once.Do(update)
						updates.Wait() // until the log has the change
					}
					return ctx
				}},
			}, func(c reindextest.Call) reindextest.Fault {
				if c.Op != reindextest.OpEdit {
					return reindextest.Fault{}
				}
				update()
				updates.Wait()
				switch {
				case c.N%2 == 0: // between two attempts, without the claim
					return reindextest.Fault{}
				case c.N == test.slow:
					return reindextest.Fault{Delay: time.Minute}
				default:
					changes.mute.Store(2) // the renewal in the background, and that before the Commit
					return reindextest.Fault{Delay: 3 * time.Second}
				}
			})
			_, err := b.Run(t.Context(), tenant)
			gate, ok := errors.AsType[*reindex.GateError](err)
			if !ok || gate.Rule != reindex.RuleCurrent || !strings.Contains(gate.Detail, test.want) {
				t.Errorf("error %v, want one with %q", err, test.want)
			}
			if failed, ok := errors.AsType[*reindex.RunError](err); ok && failed.MayBeLive {
				t.Errorf("the error says that the new index may be live, but it is not: %v", err)
			}
			changes.mute.Store(0)
			if err := errors.Join(b.Settle(t.Context(), tenant), b.Shutdown(t.Context())); err != nil {
				t.Error(err)
			}
		})
	}
}

// If the claim on the live index is lost during Commit, the error says this, and that the new index may be live.
func TestClaimLostDuringACommit(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		changes := unclaimed{lasting{reindex.NewChanges(0)}, new(atomic.Bool)}
		b := newBench(t, reindextest.Slice(reindextest.Products(100, "new")), &reindex.Config{Changes: changes},
			func(c reindextest.Call) reindextest.Fault {
				if c.Op != reindextest.OpCommit {
					return reindextest.Fault{}
				}
				changes.forgot.Store(true)
				return reindextest.Fault{Delay: time.Minute}
			})
		_, err := b.Run(t.Context(), tenant)
		failed, ok := errors.AsType[*reindex.RunError](err)
		if !ok || !failed.MayBeLive || !errors.Is(err, reindex.ErrClaimLost) {
			t.Errorf("got %v, want ErrClaimLost and MayBeLive", err)
		}
		jobs, _, listErr := b.Jobs(t.Context(), tenant, reindex.JobQuery{})
		if listErr != nil || len(jobs) != 1 || !strings.Contains(jobs[0].Message, "out of touch") {
			t.Errorf("got the jobs %+v, error %v, want one that lost touch with the store", jobs, listErr)
		}
		changes.forgot.Store(false)
		if err := b.Shutdown(t.Context()); err != nil {
			t.Error(err)
		}
	})
}

// stuck is an index whose Commit is applied, but returns only when its context ends.
type stuck struct{ *reindextest.Memory }

func (s stuck) Begin(ctx context.Context, tenant string) (reindex.Generation, error) {
	gen, err := s.Memory.Begin(ctx, tenant)
	return stuckGeneration{gen}, err
}

type stuckGeneration struct{ reindex.Generation }

func (g stuckGeneration) Unwrap() any { return g.Generation }

func (g stuckGeneration) Commit(ctx context.Context) error {
	if err := g.Generation.Commit(ctx); err != nil {
		return err
	}
	<-ctx.Done()
	return ctx.Err()
}

// A Commit that takes longer than MaxHold is cut off. The job says that the new index may be live. The changes that
// waited are applied to the live index.
func TestMaxHoldCutsACommitOff(t *testing.T) {
	for _, log := range []reindex.ChangeLog{nil, lasting{reindex.NewChanges(0)}} {
		synctest.Test(t, func(t *testing.T) {
			index := reindextest.NewMemory()
			publish(t, index, reindextest.Products(100, "old"))
			engine, err := reindex.New(reindextest.Slice(reindextest.Products(100, "new")), stuck{index}, &reindex.Config{
				Changes: log, MaxHold: 10 * time.Second,
			})
			if err != nil {
				t.Fatal(err)
			}
			b := bench{engine, index}
			job := mustStart(t, b.Engine, tenant)
			synctest.Wait()
			mustUpdate(t, b, upsert("p1", "edit"), deletion("p2"))
			ended := ended(t, b.Engine, job)
			if ended.Report.Durations.Held != 10*time.Second ||
				!strings.Contains(ended.Message, "it is not known whether the new index is live") {
				t.Errorf("the job is %+v, want that updates were held for 10 s and the new index may be live", ended)
			}
			if err := b.Settle(t.Context(), tenant); err != nil {
				t.Error(err)
			}
			want := revsOf(100, "new")
			want["p1"] = "edit"
			delete(want, "p2")
			b.assertRevs(t, want)
			if err := b.Shutdown(t.Context()); err != nil {
				t.Error(err)
			}
		})
	}
}
