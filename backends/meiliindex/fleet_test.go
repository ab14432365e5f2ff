package meiliindex

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"iter"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"

	"productindex/backends/meiliindex/internal/meilitest"
	"productindex/reindex"
	"productindex/reindex/fleet"
	"productindex/reindex/reindextest"
	"productindex/reindex/reindextest/pgtest"
)

const (
	fleetProducts = 1000
	fleetPart     = 50
)

// A fleet has one process that triggers and two that work. The worker of the run leaves in the middle of it. The other
// worker resumes the generation. No finished part is read again, and only the bad product is rejected.
func TestFleet(t *testing.T) {
	t.Run("Emulator", func(t *testing.T) { testFleet(t, server(t).URL, meilitest.MasterKey, defaultPrefix) })
	t.Run("Real", func(t *testing.T) {
		url, key, ok := realServer()
		if !ok {
			t.Skip("MEILISEARCH_URL is not set")
		}
		const prefix = "fleettest_"
		t.Cleanup(func() { removeAll(t, connect(t, url, key), prefix) })
		testFleet(t, url, key, prefix)
	})
}

func testFleet(t *testing.T, url, key, prefix string) {
	pool, err := pgxpool.New(t.Context(), pgtest.Database(t))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(pool.Close)
	src := &shelves{half: make(chan struct{}), release: make(chan struct{}), done: map[string]int{}}
	newIndex := func() *Index {
		ix, err := New(connect(t, url, key), withFastPolls(&Config{Prefix: prefix}))
		if err != nil {
			t.Fatal(err)
		}
		return ix
	}
	ix := newIndex()
	trigger, first := startMember(t, pool, src, ix, fleet.Trigger), startMember(t, pool, src, newIndex(), fleet.Worker)
	job, _, err := trigger.Start(t.Context(), "acme")
	if err != nil {
		t.Fatal(err)
	}
	<-src.half
	second := startMember(t, pool, src, newIndex(), fleet.Worker)
	t.Cleanup(func() {
		ctx := context.WithoutCancel(t.Context())
		if err := errors.Join(trigger.Shutdown(ctx), second.Shutdown(ctx)); err != nil {
			t.Error(err)
		}
	})
	leave, cancel := context.WithCancel(t.Context())
	cancel()
	go close(src.release)
	if err := first.Shutdown(leave); err != nil && !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
	edit := reindex.Change{ID: "p3", Body: json.RawMessage(`{"rev":"2"}`)}
	if err := trigger.Update(t.Context(), "acme", edit); err != nil {
		t.Error(err)
	}
	ctx, stop := context.WithTimeout(t.Context(), 5*time.Minute)
	defer stop()
	assertJob(ctx, t, trigger, job.ID)
	if err := trigger.Settle(ctx, "acme"); err != nil {
		t.Fatal(err)
	}
	assertLive(t, ix, fleetProducts-1)
	found, err := revs(ctx, connect(t, url, key), ix, "acme")
	if err != nil || found["p3"] != "2" || found["p4"] != "1" {
		t.Errorf("p3 and p4 have the revs %q and %q, error %v, want 2 and 1", found["p3"], found["p4"], err)
	}
	src.assertReads(t)
}

// startMember starts a process of the fleet that works, or only triggers.
func startMember(t *testing.T, pool *pgxpool.Pool, src reindex.Source, ix *Index, role fleet.Role) *fleet.Fleet {
	t.Helper()
	f, err := fleet.New(t.Context(), pool, src, ix, &fleet.Config{
		Role: role, Lease: 3 * time.Second, PartProducts: fleetPart, Parts: 1,
		Engine: reindex.Config{MaxRejected: 1, BatchDocs: 20},
	})
	if err == nil {
		err = f.Work(t.Context())
	}
	if err != nil {
		t.Fatal(err)
	}
	return f
}

// assertJob waits until the job has ended, and checks that it has rejected only the bad product.
func assertJob(ctx context.Context, t *testing.T, f *fleet.Fleet, id string) {
	t.Helper()
	var job reindex.Job
	var err error
	for job, err = range f.Watch(ctx, "acme", id) {
		if err != nil {
			t.Fatalf("waiting for the job: %v", err)
		}
	}
	if r := job.Report; job.Status != reindex.StatusSuccess || r.Read != fleetProducts || r.Rejected != 1 {
		t.Fatalf("the job is %s (%s), read %d, rejected %d, want %d and 1",
			job.Status, job.Message, r.Read, r.Rejected, fleetProducts)
	}
}

// shelves is a source of parts. It blocks in the middle until it is released.
type shelves struct {
	half, release chan struct{}

	mu   sync.Mutex
	done map[string]int // by the name of a part, how often it was read to its end
}

// assertReads checks that each part was read to its end, and at most one of them twice.
func (s *shelves) assertReads(t *testing.T) {
	t.Helper()
	s.mu.Lock()
	defer s.mu.Unlock()
	again := 0
	for _, n := range s.done {
		again += n - 1
	}
	if len(s.done) != fleetProducts/fleetPart || again > 1 {
		t.Errorf("%d parts were read, and %d reads were repeated, want %d and at most 1",
			len(s.done), again, fleetProducts/fleetPart)
	}
}

func (s *shelves) Open(context.Context, string) (reindex.Snapshot, error) { return s, nil }
func (s *shelves) Close() error                                           { return nil }
func (s *shelves) Count(context.Context) (int64, error)                   { return fleetProducts, nil }

func (s *shelves) Products(context.Context) iter.Seq2[reindex.Product, error] {
	return func(yield func(reindex.Product, error) bool) {
		yield(reindex.Product{}, errors.New("a source of parts is read as a whole"))
	}
}

func (s *shelves) Split(context.Context, int) ([]string, error) {
	var names []string
	for first := 0; first < fleetProducts; first += fleetPart {
		names = append(names, strconv.Itoa(first))
	}
	return names, nil
}

func (s *shelves) Part(ctx context.Context, name string) iter.Seq2[reindex.Product, error] {
	return func(yield func(reindex.Product, error) bool) {
		first, err := strconv.Atoi(name)
		if err != nil {
			yield(reindex.Product{}, err)
			return
		}
		for i := first; i < first+fleetPart; i++ {
			p := reindextest.NewProduct(fmt.Sprint("p", i), map[string]any{"rev": "1"})
			if i == fleetProducts/4 {
				p.Body = json.RawMessage(`{"rev":"1","_vectors":"nope"}`)
			}
			if !yield(p, ctx.Err()) || ctx.Err() != nil {
				return
			}
		}
		s.mu.Lock()
		s.done[name]++
		half := len(s.done) == fleetProducts/fleetPart/2 && s.done[name] == 1
		s.mu.Unlock()
		if half {
			close(s.half)
			<-s.release
		}
	}
}
