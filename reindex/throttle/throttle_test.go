package throttle_test

import (
	"context"
	"errors"
	"iter"
	"math"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"

	"productindex/reindex"
	"productindex/reindex/reindextest"
	"productindex/reindex/throttle"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func newThrottle(t *testing.T, cfg throttle.Config) *throttle.Throttle {
	t.Helper()
	th, err := throttle.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	return th
}

// run reindexes the tenant through the throttle and returns the duration.
func run(t *testing.T, th *throttle.Throttle, tenant string, products []reindex.Product) time.Duration {
	t.Helper()
	ix := reindextest.NewMemory()
	engine, err := reindex.New(th.Source(reindextest.Slice(products)), ix, nil)
	if err != nil {
		t.Error(err)
		return 0
	}
	begin := time.Now()
	if _, err := engine.Run(t.Context(), tenant); err != nil {
		t.Error(err)
	}
	took := time.Since(begin)
	if n := len(ix.Documents(tenant)); n != len(products) {
		t.Errorf("%d products are live, want %d", n, len(products))
	}
	if err := engine.Shutdown(t.Context()); err != nil {
		t.Error(err)
	}
	return took
}

func within5Percent(t *testing.T, what string, got, want time.Duration) {
	t.Helper()
	if off := math.Abs(float64(got-want)) / float64(want); off > 0.05 {
		t.Errorf("%s: the run took %v, want %v", what, got, want)
	}
}

// A run takes as long as its limits require, within 5 %, even if the limits change during the run.
func TestRate(t *testing.T) {
	products := reindextest.Products(20_000, "1")
	bytes := 0
	for _, p := range products {
		bytes += len(p.ID) + len(p.Body)
	}
	for name, test := range map[string]struct {
		cfg  throttle.Config
		want time.Duration
	}{
		"documents of a tenant": {throttle.Config{Tenant: throttle.Limits{Documents: 2000}}, 10 * time.Second},
		"documents in all":      {throttle.Config{All: throttle.Limits{Documents: 2000}}, 10 * time.Second},
		"the lower one counts": {
			throttle.Config{All: throttle.Limits{Documents: 4000}, Tenant: throttle.Limits{Documents: 1000}}, 20 * time.Second,
		},
		"bytes": {throttle.Config{Tenant: throttle.Limits{Bytes: float64(bytes) / 30}}, 30 * time.Second},
		"less than one a second": {
			throttle.Config{Tenant: throttle.Limits{Documents: 0.5}}, 40_000 * time.Second,
		},
		"fewer bytes a second than a product has": {
			throttle.Config{All: throttle.Limits{Bytes: 2}}, time.Duration(bytes) * time.Second / 2,
		},
	} {
		synctest.Test(t, func(t *testing.T) {
			within5Percent(t, name, run(t, newThrottle(t, test.cfg), "acme", products), test.want)
		})
	}
	for name, change := range map[string]func(t *testing.T, th *throttle.Throttle){
		"faster": func(t *testing.T, th *throttle.Throttle) {
			if err := th.SetLimits("acme", throttle.Limits{Documents: 4000}); err != nil {
				t.Error(err)
			}
		},
		"slower": func(t *testing.T, th *throttle.Throttle) {
			if err := th.SetAll(throttle.Limits{Documents: 500}); err != nil {
				t.Error(err)
			}
		},
		"paused for an hour": func(_ *testing.T, th *throttle.Throttle) {
			th.Pause("acme")
			time.AfterFunc(time.Hour, func() { th.Resume("acme") })
		},
		"paused in all": func(t *testing.T, th *throttle.Throttle) {
			if err := th.SetAll(throttle.Limits{Paused: true}); err != nil {
				t.Error(err)
			}
			time.AfterFunc(time.Hour, func() { _ = th.SetAll(throttle.Limits{Documents: 1000}) })
		},
	} {
		want := map[string]time.Duration{
			"faster": 7500 * time.Millisecond, "slower": 25 * time.Second, "paused for an hour": time.Hour + 10*time.Second,
			"paused in all": time.Hour + 15*time.Second,
		}[name]
		synctest.Test(t, func(t *testing.T) {
			th := newThrottle(t, throttle.Config{Tenant: throttle.Limits{Documents: 2000}})
			time.AfterFunc(5*time.Second, func() { change(t, th) })
			within5Percent(t, name, run(t, th, "acme", products), want)
		})
	}
}

// A run that waits continues at once if the limit is raised.
func TestChangeWhileItWaits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		th := newThrottle(t, throttle.Config{Tenant: throttle.Limits{Documents: 0.0001}})
		time.AfterFunc(time.Second, func() {
			if err := th.SetLimits("acme", throttle.Limits{}); err != nil {
				t.Error(err)
			}
		})
		if took := run(t, th, "acme", reindextest.Products(1000, "1")); took != time.Second {
			t.Errorf("the run took %v, want 1s", took)
		}
	})
}

// Tenants share the limits of All, and have limits of their own.
func TestTenants(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		th := newThrottle(t, throttle.Config{All: throttle.Limits{Documents: 2000}, Tenant: throttle.Limits{Documents: 1500}})
		if err := th.SetLimits("slow", throttle.Limits{Documents: 100}); err != nil {
			t.Fatal(err)
		}
		slow := make(chan time.Duration)
		go func() { slow <- run(t, th, "slow", reindextest.Products(1000, "1")) }()
		within5Percent(t, "fast", run(t, th, "fast", reindextest.Products(12_000, "1")), 8*time.Second)
		within5Percent(t, "slow", <-slow, 10*time.Second)
		if got := th.Tenants(); !slices.Equal(got, []string{"fast", "slow"}) {
			t.Errorf("the tenants are %q, want fast and slow", got)
		}
		if got := th.Limits("slow"); got != (throttle.Limits{Documents: 100}) {
			t.Errorf("the tenant slow has the limits %+v, want 100 documents", got)
		}
		if got := th.Limits("other"); got != (throttle.Limits{Documents: 1500}) {
			t.Errorf("another tenant has the limits %+v, want 1500 documents", got)
		}
	})
}

// A run reads only within its window. The window may contain midnight or the change to summer time.
func TestWindow(t *testing.T) {
	berlin, err := time.LoadLocation("Europe/Berlin")
	if err != nil {
		t.Fatal(err)
	}
	night := &throttle.Window{From: 22 * time.Hour, To: 6 * time.Hour, Location: berlin}
	for _, test := range []struct {
		window *throttle.Window
		start  time.Time
		want   time.Duration
	}{
		{night, time.Date(2030, 1, 15, 12, 0, 0, 0, berlin), 10*time.Hour + 100*time.Second},
		{night, time.Date(2030, 1, 15, 23, 0, 0, 0, berlin), 100 * time.Second},
		{night, time.Date(2030, 1, 15, 3, 0, 0, 0, berlin), 100 * time.Second},
		{night, time.Date(2030, 1, 15, 5, 59, 10, 0, berlin), 16*time.Hour + 100*time.Second},
		{
			&throttle.Window{From: 9 * time.Hour, To: 17 * time.Hour}, time.Date(2030, 1, 15, 17, 0, 0, 0, time.UTC),
			16*time.Hour + 100*time.Second,
		},
		{
			&throttle.Window{From: 3*time.Hour + 30*time.Minute, To: 4 * time.Hour, Location: berlin},
			time.Date(2030, 3, 31, 1, 0, 0, 0, berlin), 90*time.Minute + 100*time.Second,
		},
	} {
		synctest.Test(t, func(t *testing.T) {
			time.Sleep(time.Until(test.start)) //nolint:forbidigo // the bubble's clock jumps
			th := newThrottle(t, throttle.Config{Tenant: throttle.Limits{Documents: 10, Window: test.window}})
			within5Percent(t, test.window.String()+" from "+test.start.String(),
				run(t, th, "acme", reindextest.Products(1000, "1")), test.want)
		})
	}
}

// A paused run ends when its context ends.
func TestCancelWhilePaused(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		th := newThrottle(t, throttle.Config{Tenant: throttle.Limits{Paused: true}})
		engine, err := reindex.New(th.Source(reindextest.Slice(reindextest.Products(10, "1"))), reindextest.NewMemory(), nil)
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Hour)
		defer cancel()
		if _, err := engine.Run(ctx, "acme"); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("a paused run: got %v, want context.DeadlineExceeded", err)
		}
		if err := engine.Shutdown(t.Context()); err != nil {
			t.Error(err)
		}
	})
}

// The throttled source keeps the promises of a source.
func TestSourceConforms(t *testing.T) {
	th := newThrottle(t, throttle.Config{})
	reindextest.TestSource(t, func(_ *testing.T, products []reindex.Product) reindextest.SourceFixture {
		only := reindex.SourceFunc(func(ctx context.Context, tenant string) iter.Seq2[reindex.Product, error] {
			return func(yield func(reindex.Product, error) bool) {
				if tenant != "acme" {
					yield(reindex.Product{}, errors.New("unknown tenant"))
					return
				}
				snap, _ := reindextest.Slice(products).Open(ctx, tenant)
				snap.Products(ctx)(yield)
			}
		})
		return reindextest.SourceFixture{Source: th.Source(only), Tenant: "acme"}
	}, nil)
}

// finder is a source with Find.
type finder struct{ reindextest.Slice }

func (finder) Find(context.Context, string, ...string) iter.Seq2[reindex.Product, error] { return nil }

// The throttled source has the capabilities of the source that it wraps.
func TestCapabilities(t *testing.T) {
	th := newThrottle(t, throttle.Config{})
	src := th.Source(finder{reindextest.Products(10, "1")})
	if _, ok := reindex.As[reindex.Finder](src); !ok {
		t.Error("the throttled source is not a Finder")
	}
	snap, err := src.Open(t.Context(), "acme")
	if err != nil {
		t.Fatal(err)
	}
	defer snap.Close()
	if _, ok := reindex.As[reindex.Counter](snap); !ok {
		t.Error("the throttled snapshot is not a Counter")
	}
}

func TestInvalid(t *testing.T) {
	th := newThrottle(t, throttle.Config{})
	for want, l := range map[string]throttle.Limits{
		"Documents is -1":   {Documents: -1},
		"Bytes is NaN":      {Bytes: math.NaN()},
		"Documents is +Inf": {Documents: math.Inf(1)},
		"different times":   {Window: &throttle.Window{From: time.Hour, To: time.Hour}},
		"0 to 24 hours":     {Window: &throttle.Window{To: 25 * time.Hour}},
	} {
		_, err := throttle.New(throttle.Config{Tenant: l})
		for _, err := range []error{err, th.SetLimits("acme", l), th.SetAll(l)} {
			if err == nil || !strings.Contains(err.Error(), want) || !strings.HasPrefix(err.Error(), "throttle: ") {
				t.Errorf("%+v: got %v, want an error with %q", l, err, want)
			}
		}
	}
}
