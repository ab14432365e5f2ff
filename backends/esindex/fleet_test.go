package esindex

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/elastic/go-elasticsearch/v8/esapi"
	"github.com/jackc/pgx/v5/pgxpool"

	"productindex/backends/esindex/internal/estest"
	"productindex/reindex"
	"productindex/reindex/fleet"
	"productindex/reindex/reindextest"
	"productindex/reindex/reindextest/pgtest"
)

const (
	fleetVariable = "ESINDEX_TEST_FLEET"
	fleetLease    = 3 * time.Second
	fleetPart     = 500              // products
	fleetLimit    = 15 * time.Minute // of a job, on a busy machine
)

// A fleet has one process that triggers and two that work. While products are edited, random processes are killed, or
// stopped for longer than their leases. The job succeeds, the index has the last edit of every product, and only the
// parts in progress are read again. PRODUCTINDEX_FLEET=200000,20 sets the numbers of products and of seeds.
func TestFleetUnderKills(t *testing.T) {
	products, seeds := 10_000, 2
	if text := os.Getenv("PRODUCTINDEX_FLEET"); text != "" {
		if _, err := fmt.Sscanf(text, "%d,%d", &products, &seeds); err != nil {
			t.Fatalf("PRODUCTINDEX_FLEET is %q, want two numbers: %v", text, err)
		}
	}
	server := estest.Plain(t)
	for seed := range seeds {
		t.Run(fmt.Sprint("seed ", seed), func(t *testing.T) {
			t.Parallel() // it waits for leases
			ix := openOn(t, server.Transport(t), nil)
			p := fleetProcess{
				DSN: pgtest.Database(t), URL: server.URL, Prefix: ix.cfg.Prefix,
				Reads: filepath.Join(t.TempDir(), "reads"), Products: products,
			}
			testFleetUnderKills(t, ix, p, rand.New(rand.NewPCG(uint64(seed), 1)))
		})
	}
}

func testFleetUnderKills(t *testing.T, ix *Index, p fleetProcess, random *rand.Rand) {
	publish(t, ix, 7, "0")
	pool, err := pgxpool.New(t.Context(), p.DSN)
	if err != nil {
		t.Fatal(err)
	}
	defer pool.Close()
	observer, err := fleet.New(t.Context(), pool, &shelves{p}, ix, &fleet.Config{Role: fleet.Trigger, Lease: fleetLease})
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := observer.Shutdown(context.WithoutCancel(t.Context())); err != nil {
			t.Error(err)
		}
	}()
	victims := startVictims(t, p, random)
	ctx, cancel := context.WithTimeout(t.Context(), fleetLimit)
	defer cancel()
	job := triggered(ctx, t, observer)
	edits := &edits{fleet: observer, bodies: map[string]string{}, random: rand.New(rand.NewPCG(random.Uint64(), 2))}
	edited := edits.begin(t)
	victims.awaitEnd(ctx, t, observer, ix, job)
	edited()
	t.Logf("processes were harmed %d times, products edited %d times", victims.harms, edits.count)
	if victims.harms == 0 || edits.count == 0 {
		t.Error("the job has ended before a process was harmed and a product was edited")
	}
	job, err = observer.Job(t.Context(), acme, job.ID)
	if err != nil || job.Status != reindex.StatusSuccess || job.Report.Indexed != int64(p.Products) {
		t.Fatalf("the job is %s (%s), indexed %d, error %v, want %d",
			job.Status, job.Message, job.Report.Indexed, err, p.Products)
	}
	edits.assertLive(ctx, t, ix, p.Products)
	assertReads(t, p, 2*victims.harms)
}

// victims are the processes of a fleet, which are harmed while a job runs.
type victims struct {
	process  fleetProcess
	roles    []fleet.Role
	commands []*exec.Cmd
	random   *rand.Rand
	harms    int
}

func startVictims(t *testing.T, p fleetProcess, random *rand.Rand) *victims {
	t.Helper()
	v := &victims{process: p, roles: []fleet.Role{fleet.Trigger, fleet.Worker, fleet.Worker}, random: random}
	for _, role := range v.roles {
		v.commands = append(v.commands, startProcess(t, p, role))
	}
	return v
}

// harm kills a random process and starts it again, or stops it for longer than its lease.
func (v *victims) harm(t *testing.T) {
	t.Helper()
	v.harms++
	i := v.random.IntN(len(v.commands))
	if v.random.IntN(2) > 0 {
		pause(t, v.commands[i], fleetLease*3/2)
		return
	}
	kill(t, v.commands[i])
	v.commands[i] = startProcess(t, v.process, v.roles[i])
}

// awaitEnd waits until the job has ended. Meanwhile it harms processes up to three times, and checks that searches find
// the products of one generation.
func (v *victims) awaitEnd(ctx context.Context, t *testing.T, observer *fleet.Fleet, ix *Index, job reindex.Job) {
	t.Helper()
	ended := make(chan reindex.Job, 1)
	go func() {
		var last reindex.Job
		for j := range observer.Watch(ctx, acme, job.ID) {
			last = j
		}
		ended <- last
	}()
	harm := time.After(time.Duration(v.random.IntN(2000)) * time.Millisecond)
	for {
		select {
		case last := <-ended:
			if !last.Status.Ended() {
				t.Fatalf("after %v, the job is %s in phase %s, with %d products processed",
					fleetLimit, last.Status, last.Phase, last.Processed)
			}
			return
		case <-time.After(100 * time.Millisecond):
			assertNoMixture(ctx, t, ix, v.process.Products)
		case <-harm:
			if v.harm(t); v.harms < 3 {
				harm = time.After(time.Duration(500+v.random.IntN(3000)) * time.Millisecond)
			}
		}
	}
}

// triggered waits for the job that the first process starts, and returns it.
func triggered(ctx context.Context, t *testing.T, observer *fleet.Fleet) reindex.Job {
	t.Helper()
	ticker := time.NewTicker(20 * time.Millisecond)
	defer ticker.Stop()
	for {
		jobs, _, err := observer.Jobs(ctx, acme, reindex.JobQuery{
			Limit: 1, Match: func(j reindex.Job) bool { return !j.Status.Ended() },
		})
		if err != nil {
			t.Fatal(err)
		}
		if len(jobs) > 0 {
			return jobs[0]
		}
		select {
		case <-ticker.C:
		case <-ctx.Done():
			t.Fatal("no process starts a job")
		}
	}
}

// edits changes products that are live before and after a run.
type edits struct {
	fleet  *fleet.Fleet
	bodies map[string]string // the last body of each product
	random *rand.Rand
	count  int
}

// begin edits one product after the other, until stop is called.
func (e *edits) begin(t *testing.T) (stop func()) {
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() {
		defer close(done)
		for ctx.Err() == nil {
			id := "p" + strconv.Itoa(e.random.IntN(7))
			body := fmt.Sprintf(`{"id":%q,"rev":"edit","edit":%d}`, id, e.count)
			if err := e.fleet.Update(context.WithoutCancel(ctx), acme, reindex.Change{ID: id, Body: []byte(body)}); err != nil {
				t.Errorf("edit of product %s: %v", id, err)
				return
			}
			e.bodies[id] = body
			e.count++
			select {
			case <-time.After(20 * time.Millisecond): // so that the edits can be applied
			case <-ctx.Done():
			}
		}
	}()
	return func() {
		cancel()
		<-done
	}
}

// assertLive checks that the live products are those of the source, with the edits.
func (e *edits) assertLive(ctx context.Context, t *testing.T, ix *Index, products int) {
	t.Helper()
	if err := e.fleet.Settle(ctx, acme); err != nil {
		t.Fatal(err)
	}
	live := map[string]bool{}
	for product, err := range ix.ScanLive(ctx, acme) {
		if err != nil {
			t.Fatal(err)
		}
		want := e.bodies[product.ID]
		if want == "" {
			want = string(reindextest.NewProduct(product.ID, map[string]any{"rev": "1"}).Body)
		}
		if string(product.Body) != want {
			t.Errorf("product %s has the body %s, want %s", product.ID, product.Body, want)
		}
		live[product.ID] = true
	}
	for i := range products {
		if !live["p"+strconv.Itoa(i)] {
			t.Errorf("product p%d is not live", i)
		}
	}
	if len(live) != products {
		t.Errorf("%d products are live, want %d", len(live), products)
	}
}

// assertReads checks that each part was read to its end, and that there were at most so many more reads.
func assertReads(t *testing.T, p fleetProcess, again int) {
	t.Helper()
	text, err := os.ReadFile(p.Reads)
	if err != nil {
		t.Fatal(err)
	}
	parts, reads := (p.Products+fleetPart-1)/fleetPart, strings.Count(string(text), "\n")
	if reads < parts || reads > parts+again {
		t.Errorf("%d parts were read %d times, want at most %d repeated reads", parts, reads, again)
	}
}

// assertNoMixture checks that a search finds all products of one generation, and none of the other, unless a busy
// server refuses the search or ctx has ended.
func assertNoMixture(ctx context.Context, t *testing.T, ix *Index, products int) {
	t.Helper()
	var answer struct {
		Hits         struct{ Total struct{ Value int } }
		Aggregations struct {
			Old struct {
				Count int `json:"doc_count"`
			}
			New struct {
				Count int `json:"doc_count"`
			}
		}
	}
	size := 0
	ofRev := func(rev string) any {
		return map[string]any{"filter": map[string]any{"match": map[string]any{"rev": rev}}}
	}
	request := esapi.SearchRequest{
		Index: []string{ix.Alias(acme)}, Size: &size, TrackTotalHits: true,
		Body: jsonBody(map[string]any{"aggs": map[string]any{"old": ofRev("0"), "new": ofRev("1")}}),
	}
	err := call(ctx, ix.transport, "searching", request, &answer)
	if hasStatus(err, http.StatusTooManyRequests) || ctx.Err() != nil {
		return
	}
	if err != nil {
		t.Fatal(err)
	}
	total, old, current := answer.Hits.Total.Value, answer.Aggregations.Old.Count, answer.Aggregations.New.Count
	if (total != 7 || current != 0) && (total != products || old != 0) {
		t.Errorf("a search finds %d products, %d old and %d new ones, want 7 old or %d new ones",
			total, old, current, products)
	}
}
