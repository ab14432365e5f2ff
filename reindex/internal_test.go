package reindex

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"os/exec"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"
	"unsafe"
)

// The core imports only the standard library and golang.org/x/sync.
func TestImports(t *testing.T) {
	out, err := exec.CommandContext(t.Context(), "go", "list", "-deps", "-f",
		"{{if not .Standard}}{{.ImportPath}}{{end}}", ".").Output()
	if err != nil {
		t.Fatalf("go list: %v", err)
	}
	paths := strings.Fields(string(out))
	if !slices.Contains(paths, "productindex/reindex") {
		t.Fatalf("go list lists %q, want the core among them", paths)
	}
	for _, path := range paths {
		if path != "productindex/reindex" && !strings.HasPrefix(path, "golang.org/x/sync/") {
			t.Errorf("the core imports %s, want only the standard library and golang.org/x/sync", path)
		}
	}
}

func TestIDSet(t *testing.T) {
	set := newIDSet()
	rng := rand.New(rand.NewPCG(1, 2))
	seen, bodies := map[string]bool{}, map[string]string{}
	for range 300_000 {
		id := fmt.Sprint(rng.IntN(200_000))
		if set.has(id) != seen[id] {
			t.Fatalf("has(%s) is %v, want %v", id, !seen[id], seen[id])
		}
		body := fmt.Sprint(rng.IntN(2))
		isNew, same := set.add(id, []byte(body))
		if first, known := bodies[id]; isNew == known || known && same != (first == body) {
			t.Fatalf("add(%s, %s) returns %v, %v after the body %q, want %v, %v",
				id, body, isNew, same, first, !known, first == body)
		} else if !known {
			bodies[id] = body
		}
		seen[id] = true
	}
}

// Each of the 62 bits of an id's place depends on the id, independently of the other bits.
func TestIDSetBits(t *testing.T) {
	set := newIDSet()
	const ids = 2000
	places := map[int][]byte{} // by bit: one byte per id
	for n := range ids {
		shard, entry := set.place(fmt.Sprint(n))
		if shard >= idShards || entry&tagMask != 0 {
			t.Fatalf("shard %d or entry %x is out of range", shard, entry)
		}
		for bit := range 64 {
			if bit < idShardBits {
				places[bit] = append(places[bit], byte(shard>>bit&1))
			}
			if uint64(1)<<bit > tagMask {
				places[idShardBits+bit] = append(places[idShardBits+bit], byte(entry>>bit&1))
			}
		}
	}
	if len(places) != 62 {
		t.Fatalf("a place has %d bits, want 62", len(places))
	}
	for a, values := range places {
		for b, others := range places {
			equal := 0
			for i := range ids {
				if values[i] == others[i] {
					equal++
				}
			}
			if a != b && (equal < ids*2/5 || equal > ids*3/5) {
				t.Errorf("bits %d and %d are equal for %d of %d ids, want about half", a, b, equal, ids)
			}
		}
		if ones := bytes.Count(values, []byte{1}); ones < ids*2/5 || ones > ids*3/5 {
			t.Errorf("bit %d is set for %d of %d ids, want about half", a, ones, ids)
		}
	}
}

// An id takes at most 12 bytes in the tables of the set. This is 24 bytes of memory if the garbage collector lets the
// heap double.
func TestIDSetBytes(t *testing.T) {
	set := newIDSet()
	for n := 1; n <= 600_000; n++ {
		set.add(fmt.Sprint(n), nil)
		if n < 200_000 || n%20_000 > 0 {
			continue
		}
		bytes := 0
		for _, shard := range set.shards {
			bytes += int(unsafe.Sizeof(shard)) + 8*len(shard.slots)
		}
		if each := float64(bytes) / float64(n); each > 12 {
			t.Errorf("%d ids take %.1f bytes each, want at most 12", n, each)
		}
	}
}

func TestDelay(t *testing.T) {
	p := Retry{Attempts: 100, MinDelay: 100 * time.Millisecond, MaxDelay: 30 * time.Second}
	for attempt := 1; attempt < 200; attempt++ {
		longest := min(30*time.Second, time.Duration(float64(100*time.Millisecond)*math.Pow(2, float64(min(attempt-1, 20)))))
		for range 20 {
			if d := p.delay(attempt); d < longest/2 || d > longest {
				t.Fatalf("delay %v after %d tries, want %v to %v", d, attempt, longest/2, longest)
			}
		}
	}
}

func TestConfigDefaults(t *testing.T) {
	c := (*Config)(nil).withDefaults()
	if err := c.validate(); err != nil {
		t.Fatal(err)
	}
	if c.Readers != 1 || c.MaxRejected != 0 ||
		c.MinFraction != 0.5 || c.MaxDuplicates != 0 || c.CountMargin != 0 || c.MaxRuns != 2 || c.Retry.Attempts != 8 ||
		c.CleanupTimeout != 30*time.Second {
		t.Errorf("the defaults are %+v, want those that Config documents", c)
	}
}

type limiting struct {
	Indexer

	limits Limits
}

func (l limiting) Limits() Limits { return l.limits }

// The size and the number of batches come from the Config. If the Config does not set them, they are those that the
// index prefers, or the defaults. They never exceed the limits of the index.
func TestSizes(t *testing.T) {
	cores := max(2, runtime.GOMAXPROCS(0))
	for _, test := range []struct {
		cfg    Config
		limits Limits
		want   sizes
	}{
		{Config{}, Limits{}, sizes{1000, 4 << 20, cores, 10 * time.Second, 1}},
		{
			Config{}, Limits{MaxDocs: 5000, MaxBytes: 8 << 20, MaxInFlight: 99, SlowWrite: time.Second},
			sizes{5000, 8 << 20, 99, time.Second, 1},
		},
		{Config{}, Limits{MaxInFlight: 1, SlowWrite: -1}, sizes{1000, 4 << 20, 1, -1, 1}},
		{
			Config{Workers: 2}, Limits{MaxDocs: 5000, MaxBytes: 8 << 20, MaxInFlight: 9, MaxUpdates: 4},
			sizes{5000, 8 << 20, 2, 10 * time.Second, 4},
		},
		{
			Config{Workers: 4}, Limits{MaxDocs: 250, MaxBytes: 1 << 18, MaxInFlight: 3},
			sizes{250, 1 << 18, 3, 10 * time.Second, 1},
		},
		{
			Config{Workers: 2, BatchDocs: 100, BatchBytes: 1000},
			Limits{MaxDocs: 250, MaxBytes: 1 << 18},
			sizes{100, 1000, 2, 10 * time.Second, 1},
		},
		{
			Config{Workers: 2, BatchDocs: 300, BatchBytes: 1 << 20},
			Limits{MaxDocs: 250, MaxBytes: 1 << 18},
			sizes{250, 1 << 18, 2, 10 * time.Second, 1},
		},
	} {
		if got := newSizes(&test.cfg, limiting{nil, test.limits}); got != test.want {
			t.Errorf("%+v with the limits %+v: got %+v, want %+v", test.cfg, test.limits, got, test.want)
		}
	}
}

// The error names every setting that is invalid.
func TestConfigInvalid(t *testing.T) {
	c := &Config{
		EntityType: " product", Readers: -1, Workers: -1, BatchDocs: -1, BatchBytes: -1, MinFraction: 1.1,
		CountMargin: math.NaN(), MaxRuns: -1, ReportItems: -1, CleanupTimeout: -1,
		Retry: Retry{Attempts: -1, MinDelay: time.Second, MaxDelay: time.Millisecond},
	}
	_, err := New(SourceFunc(nil), struct{ Indexer }{}, c)
	if err == nil {
		t.Fatal("New accepts an invalid Config")
	}
	for _, name := range []string{
		"EntityType", "Readers", "Workers", "BatchDocs", "BatchBytes", "MinFraction", "CountMargin", "MaxRuns",
		"ReportItems", "CleanupTimeout", "Retry.Attempts", "Retry.MaxDelay",
	} {
		if !strings.Contains(err.Error(), name) {
			t.Errorf("error %v, want one that names %s", err, name)
		}
	}
	for _, missing := range []func() (*Engine, error){
		func() (*Engine, error) { return New(nil, struct{ Indexer }{}, nil) },
		func() (*Engine, error) { return New(SourceFunc(nil), nil, nil) },
	} {
		if _, err := missing(); err == nil {
			t.Error("New accepts nil as the source or the index")
		}
	}
}

type wrapped struct{ Source }

func (w wrapped) Unwrap() Source { return w.Source }

type counting struct{ SourceFunc }

func (counting) Count(context.Context) (int64, error) { return 7, nil }

func TestAs(t *testing.T) {
	if c, ok := As[Counter](wrapped{wrapped{counting{}}}); !ok {
		t.Error("a wrapped capability is not found")
	} else if n, _ := c.Count(t.Context()); n != 7 {
		t.Errorf("the count is %d, want 7", n)
	}
	if _, ok := As[Counter](struct{ Source }{counting{}}); ok {
		t.Error("a wrapper without Unwrap does not hide a capability")
	}
	if _, ok := As[Splitter](wrapped{counting{}}); ok {
		t.Error("found a capability that is not there")
	}
	if _, ok := As[Counter](nil); ok {
		t.Error("found a capability of nil")
	}
}

// Old jobs are removed from the store, but not jobs in progress.
func TestJobsKept(t *testing.T) {
	store := NewJobs(3)
	running := Job{ID: "running", Tenant: "a", EntityType: "OTHER", Status: StatusInProgress}
	if _, created, err := store.Create(t.Context(), running); !created || err != nil {
		t.Fatal(created, err)
	}
	for i := range 10 {
		job := Job{ID: fmt.Sprint(i), Tenant: "a", EntityType: EntityProduct, Status: StatusPending}
		if _, created, err := store.Create(t.Context(), job); !created || err != nil {
			t.Fatal(created, err)
		}
		job.Status = StatusSuccess
		if err := store.Finish(t.Context(), job); err != nil {
			t.Fatal(err)
		}
	}
	jobs, total, err := store.List(t.Context(), "a", JobQuery{})
	var ids []string
	for _, j := range jobs {
		ids = append(ids, j.ID)
	}
	if got := strings.Join(ids, " "); got != "9 8 7 running" || total != 4 || err != nil {
		t.Errorf("the jobs %s are kept, total %d, error %v; want 9 8 7 running, and 4", got, total, err)
	}
}

// Each rule of the gate follows from the numbers alone.
func TestGate(t *testing.T) {
	cfg := (*Config)(nil).withDefaults()
	sound := Report{Read: 10, Indexed: 7, Rejected: 0, Duplicates: 3, Expected: 7}
	for _, test := range []struct {
		name   string
		change func(r *Report, s *Sealed)
		want   Rule
	}{
		{"sound", func(*Report, *Sealed) {}, ""},
		{"one read too many", func(r *Report, _ *Sealed) { r.Read++ }, RuleAccounting},
		{"one accounted too many", func(r *Report, _ *Sealed) { r.Duplicates++ }, RuleAccounting},
		{"one document too few", func(_ *Report, s *Sealed) { s.Documents-- }, RuleAccounting},
		{"one rejected", func(r *Report, _ *Sealed) { r.Rejected++; r.Read++ }, RuleRejected},
		{"as many as announced, some of them twice", func(r *Report, _ *Sealed) { r.Expected = 10 }, RuleCount},
		{"one less than announced", func(r *Report, _ *Sealed) { r.Expected = 8 }, RuleCount},
		{"more than announced", func(r *Report, _ *Sealed) { r.Expected = 6 }, ""},
		{"one conflict", func(r *Report, _ *Sealed) { r.Conflicts = 1 }, RuleDuplicates},
		{"nothing announced", func(r *Report, _ *Sealed) { r.Expected = -1 }, ""},
		{"half of the live one", func(_ *Report, s *Sealed) { s.Live = 14 }, ""},
		{"less than half of the live one", func(_ *Report, s *Sealed) { s.Live = 15 }, RuleShrunk},
		{
			"a live one that cannot be counted", func(_ *Report, s *Sealed) { s.LiveErr = errors.New("shards are missing") },
			RuleShrunk,
		},
		{"empty", func(r *Report, s *Sealed) { *r = Report{Expected: -1}; s.Documents = 0 }, RuleEmpty},
	} {
		t.Run(test.name, func(t *testing.T) {
			r, s := sound, Sealed{Documents: 7, Live: -1}
			test.change(&r, &s)
			err := cfg.gate(&r, s)
			var rule Rule
			if gate, ok := errors.AsType[*GateError](err); ok {
				rule = gate.Rule
			}
			if rule != test.want || (err == nil) != (test.want == "") {
				t.Errorf("error %v, want rule %q", err, test.want)
			}
		})
	}
}

// A caller that modifies the job that it got does not change the run.
func TestSnapshotsAreTheCallers(t *testing.T) {
	var p progress
	p.change(func(j *Job) {
		j.Report.Rejections = append(make([]Rejection, 0, 10), Rejection{ID: "a"})
		j.Report.DuplicateIDs = append(make([]string, 0, 10), "a")
	})
	report := p.now().Report
	p.change(func(j *Job) {
		j.Report.Rejections = append(j.Report.Rejections, Rejection{ID: "b"})
		j.Report.DuplicateIDs = append(j.Report.DuplicateIDs, "b")
	})
	_ = append(report.Rejections, Rejection{ID: "x"})
	_ = append(report.DuplicateIDs, "x")
	if r := p.now().Report; r.Rejections[1].ID != "b" || r.DuplicateIDs[1] != "b" {
		t.Errorf("report %+v, want b as the second rejection and duplicate", r)
	}
}
