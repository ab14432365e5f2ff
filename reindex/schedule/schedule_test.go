package schedule_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"

	"productindex/reindex"
	"productindex/reindex/reindextest"
	"productindex/reindex/schedule"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// start is the time at which a synctest bubble begins.
var start = time.Date(2000, 1, 1, 0, 0, 0, 0, time.UTC)

// engine records which runs were started, and when after start.
type engine struct {
	mu      sync.Mutex
	started []string
	jobs    []reindex.Job
	fail    func(call int) error
	calls   int
	running bool
}

func (e *engine) EntityType() string { return reindex.EntityProduct }

func (e *engine) Start(_ context.Context, tenant string) (reindex.Job, bool, error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.calls++
	if e.fail != nil {
		if err := e.fail(e.calls); err != nil {
			return reindex.Job{}, false, err
		}
	}
	job := reindex.Job{
		ID: fmt.Sprint("J", len(e.jobs)), Tenant: tenant, EntityType: reindex.EntityProduct, Created: time.Now(),
	}
	if e.running {
		return job, false, nil
	}
	e.jobs = append([]reindex.Job{job}, e.jobs...)
	e.started = append(e.started, tenant+" "+time.Since(start).String())
	return job, true, nil
}

func (e *engine) Jobs(_ context.Context, tenant string, query reindex.JobQuery) ([]reindex.Job, int, error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	var mine []reindex.Job
	for _, job := range e.jobs {
		if job.Tenant == tenant {
			mine = append(mine, job)
		}
	}
	jobs, total := query.Select(mine)
	return jobs, total, nil
}

func (e *engine) starts() string {
	e.mu.Lock()
	defer e.mu.Unlock()
	return strings.Join(e.started, ", ")
}

// scheduler returns a Scheduler with the entries, and its log.
func scheduler(
	t *testing.T, e schedule.Engine, cfg schedule.Config, entries ...schedule.Entry,
) (*schedule.Scheduler, *bytes.Buffer) {
	t.Helper()
	logged := &bytes.Buffer{}
	cfg.Logger = slog.New(slog.NewTextHandler(logged, nil))
	s, err := schedule.New(e, &cfg)
	if err == nil {
		err = s.Set(entries...)
	}
	if err != nil {
		t.Fatal(err)
	}
	return s, logged
}

func runFor(t *testing.T, s *schedule.Scheduler, d time.Duration) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), d)
	defer cancel()
	s.Run(ctx)
}

// Each tenant is reindexed at the times of its expression.
func TestTimes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := &engine{}
		s, _ := scheduler(t, e, schedule.Config{}, schedule.Entry{Tenant: "acme", Cron: "30 */2 * * *"},
			schedule.Entry{Tenant: "beta", Cron: "@daily", Location: time.FixedZone("", 3600)},
			schedule.Entry{Tenant: "often", Cron: "58,59 4 * * *"})
		runFor(t, s, 23*time.Hour+time.Minute)
		want := "acme 30m0s, acme 2h30m0s, acme 4h30m0s, often 4h58m0s, often 4h59m0s, acme 6h30m0s, " +
			"acme 8h30m0s, acme 10h30m0s, acme 12h30m0s, acme 14h30m0s, acme 16h30m0s, acme 18h30m0s, acme 20h30m0s, acme " +
			"22h30m0s, beta 23h0m0s"
		if got := e.starts(); got != want {
			t.Errorf("started %s\nwant    %s", got, want)
		}
		list := s.List()
		if len(list) != 3 || list[0].Tenant != "acme" || !list[0].Next.Equal(start.Add(24*time.Hour+30*time.Minute)) ||
			!list[0].Last.Equal(start.Add(22*time.Hour+30*time.Minute)) || list[0].Job == "" || list[0].Missed != 0 {
			t.Errorf("the list is %+v, want three entries, the first with its last and next time", list)
		}
	})
}

// When the clock is put back, a time that comes twice counts once. When it is put forward, a time that does not come is
// moved later. This holds in every time zone.
func TestSummerTime(t *testing.T) {
	for _, test := range []struct{ zone, day, cron, want string }{
		{"Europe/Berlin", "2000-03-26", "30 2 * * *", "03:30:00 +0200"},
		{"Europe/Berlin", "2000-03-26", "0,45 2-3 * * *", "03:00:00 +0200, 03:45:00 +0200"},
		{"Europe/Berlin", "2000-10-29", "30 2 * * *", "02:30:00 +0200"},
		{"America/New_York", "2000-04-02", "30 2 * * *", "03:30:00 -0400"},
		{"America/New_York", "2000-10-29", "30 1 * * *", "01:30:00 -0400"},
		{"America/Sao_Paulo", "2000-10-08", "0 0 * * *", "01:00:00 -0200"},
		{"America/Havana", "2000-04-02", "0 0 * * *", "01:00:00 -0400"},
		{"Australia/Lord_Howe", "2000-08-27", "15 2 * * *", "02:45:00 +1100"}, // the clock changes by half an hour
		{"Australia/Lord_Howe", "2000-03-26", "45 1 * * *", "01:45:00 +1100"},
	} {
		zone, err := time.LoadLocation(test.zone)
		if err != nil {
			t.Fatal(err)
		}
		day, err := time.ParseInLocation(time.DateOnly, test.day, zone)
		if err != nil {
			t.Fatal(err)
		}
		synctest.Test(t, func(t *testing.T) {
			<-time.After(time.Until(day.Add(-2 * time.Hour)))
			e := &engine{}
			s, _ := scheduler(t, e, schedule.Config{}, schedule.Entry{Tenant: "acme", Cron: test.cron, Location: zone})
			runFor(t, s, 24*time.Hour)
			var got []string
			for i := range e.jobs {
				got = append(got, e.jobs[len(e.jobs)-1-i].Created.In(zone).Format("15:04:05 -0700"))
			}
			if strings.Join(got, ", ") != test.want {
				t.Errorf("%s, %s: started %s, want %s", test.zone, test.cron, got, test.want)
			}
		})
	}
	// A process may start between the change of the clock and the time that was moved.
	zone, err := time.LoadLocation("America/New_York")
	if err != nil {
		t.Fatal(err)
	}
	synctest.Test(t, func(t *testing.T) {
		<-time.After(time.Until(time.Date(2000, 4, 2, 3, 5, 0, 0, zone)))
		e := &engine{}
		s, _ := scheduler(t, e, schedule.Config{}, schedule.Entry{Tenant: "acme", Cron: "30 2 * * *", Location: zone})
		runFor(t, s, time.Hour)
		if len(e.jobs) != 1 || e.jobs[0].Created.In(zone).Format(time.TimeOnly) != "03:30:00" {
			t.Errorf("started %s, want one start at 03:30", e.starts())
		}
	})
}

// Two processes with the same schedule start one reindex at each time, even with jitter.
func TestNotTwice(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := &engine{}
		entry := schedule.Entry{Tenant: "acme", Cron: "0 * * * *", Jitter: 10 * time.Minute}
		var both sync.WaitGroup
		for range 2 {
			s, _ := scheduler(t, e, schedule.Config{}, entry)
			both.Go(func() { runFor(t, s, 100*time.Hour+30*time.Minute) })
		}
		both.Wait()
		if n := len(e.started); n != 100 {
			t.Errorf("%d starts in 100 hours, want 100", n)
		}
		late := 0
		for i, text := range e.started {
			d, err := time.ParseDuration(strings.TrimPrefix(text, "acme "))
			if off := d - time.Duration(i+1)*time.Hour; err != nil || off < 0 || off > 10*time.Minute {
				t.Errorf("start %d was after %v, want at most 10 minutes after hour %d", i, d, i+1)
			} else if off > time.Minute {
				late++
			}
		}
		if late == 0 {
			t.Error("no start was delayed, want some delayed")
		}
	})
}

// Times that pass while no scheduler runs are missed: they are logged and counted. With CatchUp, one reindex makes up
// for them.
func TestMissed(t *testing.T) {
	for _, catchUp := range []bool{false, true} {
		synctest.Test(t, func(t *testing.T) {
			e := &engine{}
			entry := schedule.Entry{Tenant: "acme", Cron: "0 */6 * * *"}
			s, _ := scheduler(t, e, schedule.Config{CatchUp: catchUp}, entry)
			runFor(t, s, 7*time.Hour)
			<-time.After(13 * time.Hour) // 12:00 and 18:00 pass
			runFor(t, s, 2*time.Hour)
			want := "acme 6h0m0s"
			if catchUp {
				want += ", acme 20h0m0s"
			}
			if got := e.starts(); got != want {
				t.Errorf("CatchUp %v: started %s, want %s", catchUp, got, want)
			}
			evening := start.Add(18 * time.Hour)
			if got := s.Of("acme")[0]; got.Missed != 2 || !got.Last.Equal(evening) || !got.LastMissed.Equal(evening) {
				t.Errorf("the entry is %+v, want 2 missed, the last one at 18:00", got)
			}
			<-time.After(3 * time.Hour) // 00:00 passes
			again, logged := scheduler(t, e, schedule.Config{CatchUp: catchUp}, entry)
			runFor(t, again, time.Hour)
			if catchUp {
				want += ", acme 25h0m0s"
			}
			if got := e.starts(); got != want || again.List()[0].Missed != 1 || len(again.Of("beta")) != 0 {
				t.Errorf("another process, CatchUp %v: started %s, want %s; the list is %+v, want 1 missed",
					catchUp, got, want, again.List())
			}
			if !catchUp && !strings.Contains(logged.String(), "a reindex was missed") {
				t.Errorf("the log does not name the missed reindex: %s", logged)
			}
		})
	}
	synctest.Test(t, func(t *testing.T) { // without earlier jobs, no time counts as missed
		<-time.After(7 * time.Hour)
		e := &engine{}
		s, logged := scheduler(t, e, schedule.Config{CatchUp: true}, schedule.Entry{Tenant: "acme", Cron: "0 */6 * * *"})
		runFor(t, s, time.Hour)
		if e.starts() != "" || s.List()[0].Missed != 0 || logged.Len() > 0 {
			t.Errorf("started %q, and the log is %q, want neither", e.starts(), logged)
		}
	})
}

// A start that fails is tried again until it is too late, and then counts as missed.
func TestFailures(t *testing.T) {
	for _, test := range []struct {
		failures int
		err      error
		started  string
		missed   int64
	}{
		{3, errors.New("the store is away"), "acme 1h0m7s", 0},
		{1000, errors.New("the store is away"), "", 1},
		{1000, reindex.ErrShutdown, "", 1},
	} {
		synctest.Test(t, func(t *testing.T) {
			e := &engine{fail: func(call int) error {
				if call <= test.failures {
					return test.err
				}
				return nil
			}}
			s, _ := scheduler(t, e, schedule.Config{}, schedule.Entry{Tenant: "acme", Cron: "0 1 * * *"})
			runFor(t, s, 2*time.Hour)
			if got := s.List()[0]; e.starts() != test.started || got.Missed != test.missed || e.calls > 15 {
				t.Errorf("%v: started %q in %d calls, want %q in at most 15; the entry is %+v, want %d missed",
					test.err, e.starts(), e.calls, test.started, got, test.missed)
			}
		})
	}
	synctest.Test(t, func(t *testing.T) {
		s, logged := scheduler(t, &engine{running: true}, schedule.Config{},
			schedule.Entry{Tenant: "acme", Cron: "0 1 * * *"})
		runFor(t, s, 2*time.Hour)
		if !strings.Contains(logged.String(), "is still in progress") {
			t.Errorf("the log does not say that a reindex is in progress: %s", logged)
		}
	})
}

// Entries can be replaced while the scheduler runs.
func TestSetWhileRunning(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := &engine{}
		s, _ := scheduler(t, e, schedule.Config{}, schedule.Entry{Tenant: "acme", Cron: "0 5 * * *"})
		time.AfterFunc(time.Hour, func() {
			if err := s.Set(schedule.Entry{Tenant: "beta", Cron: "0 2 * * *"}); err != nil {
				t.Error(err)
			}
		})
		runFor(t, s, 6*time.Hour)
		if got := e.starts(); got != "beta 2h0m0s" {
			t.Errorf("started %s, want beta 2h0m0s", got)
		}
	})
}

// Set refuses an entry that is not valid, and then changes nothing.
func TestInvalid(t *testing.T) {
	s, _ := scheduler(t, &engine{}, schedule.Config{}, schedule.Entry{Tenant: "acme", Cron: "@weekly"})
	for want, e := range map[string]schedule.Entry{
		`"61 * * * *" is not valid`: {Tenant: "acme", Cron: "61 * * * *"}, `"" is not valid`: {Tenant: "acme"},
		"matches no time":         {Tenant: "acme", Cron: "0 0 30 2 *"},
		"an interval, not a time": {Tenant: "acme", Cron: "@every 1h"},
		"names a time zone":       {Tenant: "acme", Cron: "TZ=Asia/Tokyo 0 0 * * *"},
		"invalid tenant":          {Cron: "@daily"},
		"Jitter is -1ns":          {Tenant: "acme", Cron: "@daily", Jitter: -1},
	} {
		if err := s.Set(e); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%+v: got %v, want an error with %q", e, err, want)
		}
	}
	if list := s.List(); len(list) != 1 || list[0].Cron != "@weekly" {
		t.Errorf("the list is %+v, want only @weekly", list)
	}
	if _, err := schedule.New(nil, nil); err == nil {
		t.Error("New accepts nil as the engine")
	}
	if _, err := schedule.New(&engine{}, &schedule.Config{Grace: -1}); err == nil {
		t.Error("New accepts a negative Grace")
	}
}

// The scheduler also starts the runs of a real engine.
func TestEngine(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ix := reindextest.NewMemory()
		e, err := reindex.New(reindextest.Slice(reindextest.Products(3, "1")), ix, nil)
		if err != nil {
			t.Fatal(err)
		}
		s, _ := scheduler(t, e, schedule.Config{}, schedule.Entry{Tenant: "acme", Cron: "0 * * * *"})
		runFor(t, s, 3*time.Hour+time.Minute)
		jobs, total, err := e.Jobs(t.Context(), "acme", reindex.JobQuery{})
		if err != nil || total != 3 || len(ix.Documents("acme")) != 3 {
			t.Errorf("the jobs are %+v, error %v, want 3, and 3 live products", jobs, err)
		}
		if err := e.Shutdown(t.Context()); err != nil {
			t.Error(err)
		}
	})
}
