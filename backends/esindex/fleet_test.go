package esindex

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"iter"
	"math/rand/v2"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/elastic/elastic-transport-go/v8/elastictransport"
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

// fleetProcess is a process of the fleet, as its environment describes it.
type fleetProcess struct {
	DSN      string     `json:"dsn"`
	URL      string     `json:"url"`
	Prefix   string     `json:"prefix"`
	Reads    string     `json:"reads"` // the file of reads
	Products int        `json:"products"`
	Role     fleet.Role `json:"role"`
}

// Three processes on one database and one index, of which one triggers and two work: each of them is killed, or stopped
// past its lease, at seeded moments, while products are edited. The job succeeds, the index has every product as it was
// edited last, and no more parts are read twice than were under way. PRODUCTINDEX_FLEET=200000,20 sets the number of
// products and of seeds.
func TestFleetUnderKills(t *testing.T) {
	products, seeds := 10_000, 2
	if text := os.Getenv("PRODUCTINDEX_FLEET"); text != "" {
		if _, err := fmt.Sscanf(text, "%d,%d", &products, &seeds); err != nil {
			t.Fatalf("PRODUCTINDEX_FLEET is %q: %v", text, err)
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
	roles := []fleet.Role{fleet.Trigger, fleet.Worker, fleet.Worker}
	processes := make([]*exec.Cmd, len(roles))
	for i, role := range roles {
		processes[i] = startProcess(t, p, role)
	}
	ctx, cancel := context.WithTimeout(t.Context(), fleetLimit)
	defer cancel()
	job := triggered(ctx, t, observer)
	edits := &edits{fleet: observer, bodies: map[string]string{}, random: rand.New(rand.NewPCG(random.Uint64(), 2))}
	edited := edits.begin(t)
	ended := make(chan reindex.Job, 1)
	go func() {
		var last reindex.Job
		for j := range observer.Watch(ctx, acme, job.ID) {
			last = j
		}
		ended <- last
	}()
	harm := time.After(time.Duration(random.IntN(2000)) * time.Millisecond)
	harms := 0
	for !job.Status.Ended() {
		select {
		case job = <-ended:
			if !job.Status.Ended() {
				t.Fatalf("the job is %s in phase %s with %d processed after %v", job.Status, job.Phase, job.Processed, fleetLimit)
			}
		case <-time.After(100 * time.Millisecond):
			assertNoMixture(t, ix, p.Products)
		case <-harm:
			i := random.IntN(len(processes))
			if harms++; random.IntN(2) == 0 {
				kill(t, processes[i])
				processes[i] = startProcess(t, p, roles[i])
			} else {
				pause(t, processes[i], fleetLease*3/2)
			}
			if harms < 3 {
				harm = time.After(time.Duration(500+random.IntN(3000)) * time.Millisecond)
			}
		}
	}
	edited()
	t.Logf("processes were harmed %d times, products edited %d times", harms, edits.count)
	if harms == 0 || edits.count == 0 {
		t.Error("the job was over before a process was harmed, or a product edited")
	}
	job, err = observer.Job(t.Context(), acme, job.ID)
	if err != nil || job.Status != reindex.StatusSuccess || job.Report.Indexed != int64(p.Products) {
		t.Fatalf("the job is %s (%s), indexed %d, %v", job.Status, job.Message, job.Report.Indexed, err)
	}
	edits.assertLive(ctx, t, ix, p.Products)
	assertReads(t, p, 2*harms)
}

// triggered returns the job that the process that triggers has started.
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
			t.Fatal("nobody triggers")
		}
	}
}

// edits are edits of products that were live before a run and are live after it.
type edits struct {
	fleet  *fleet.Fleet
	bodies map[string]string // as edited last
	random *rand.Rand
	count  int
}

// begin edits one product after the other, until it is stopped.
func (e *edits) begin(t *testing.T) (stop func()) {
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() {
		defer close(done)
		for ctx.Err() == nil {
			id := "p" + strconv.Itoa(e.random.IntN(7))
			body := fmt.Sprintf(`{"id":%q,"rev":"edit","edit":%d}`, id, e.count)
			if err := e.fleet.Update(context.WithoutCancel(ctx), acme, reindex.Change{ID: id, Body: []byte(body)}); err != nil {
				t.Errorf("an edit: %v", err)
				return
			}
			e.bodies[id] = body
			e.count++
			select {
			case <-time.After(20 * time.Millisecond): // so that the log keeps up
			case <-ctx.Done():
			}
		}
	}()
	return func() {
		cancel()
		<-done
	}
}

// assertLive compares all that is live with the source and the edits.
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
			t.Errorf("product %s is %s, want %s", product.ID, product.Body, want)
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

// assertReads makes sure that each part was read to its end, and at most a number of them again.
func assertReads(t *testing.T, p fleetProcess, again int) {
	t.Helper()
	text, err := os.ReadFile(p.Reads)
	if err != nil {
		t.Fatal(err)
	}
	parts, reads := (p.Products+fleetPart-1)/fleetPart, strings.Count(string(text), "\n")
	if reads < parts || reads > parts+again {
		t.Errorf("%d parts were read to their ends %d times, at most %d were under way", parts, reads, again)
	}
}

// assertNoMixture fails if one search finds products of both generations. A busy server may refuse the search.
func assertNoMixture(t *testing.T, ix *Index, products int) {
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
	err := call(t.Context(), ix.transport, "searching", request, &answer)
	if hasStatus(err, http.StatusTooManyRequests) {
		return
	}
	if err != nil {
		t.Fatal(err)
	}
	total, old, current := answer.Hits.Total.Value, answer.Aggregations.Old.Count, answer.Aggregations.New.Count
	if (total != 7 || current != 0) && (total != products || old != 0) {
		t.Errorf("a search finds %d products, %d old and %d new ones", total, old, current)
	}
}

func startProcess(t *testing.T, p fleetProcess, role fleet.Role) *exec.Cmd {
	t.Helper()
	p.Role = role
	text, err := json.Marshal(p)
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), fleetVariable+"="+string(text))
	cmd.Stderr = t.Output()
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { kill(t, cmd) })
	return cmd
}

// kill ends a process as a crash does.
func kill(t *testing.T, cmd *exec.Cmd) {
	t.Helper()
	if cmd.ProcessState != nil {
		return
	}
	if err := cmd.Process.Kill(); err != nil {
		t.Error(err)
	}
	_ = cmd.Wait() // it was killed
}

// pause stops a process for a while. The process does not know of it.
func pause(t *testing.T, cmd *exec.Cmd, while time.Duration) {
	t.Helper()
	if err := cmd.Process.Signal(syscall.SIGSTOP); err != nil {
		t.Fatal(err)
	}
	time.AfterFunc(while, func() { _ = cmd.Process.Signal(syscall.SIGCONT) }) // it may be over by then
}

// workInFleet runs a process of the fleet until a signal ends it. One that triggers starts the tenant's first job.
func workInFleet(text string) error {
	var p fleetProcess
	if err := json.Unmarshal([]byte(text), &p); err != nil {
		return err
	}
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM)
	defer stop()
	address, err := url.Parse(p.URL)
	if err != nil {
		return err
	}
	client, err := elastictransport.NewClient(elastictransport.WithURLs(address), elastictransport.WithDisableRetry())
	if err != nil {
		return err
	}
	ix, err := New(client, &Config{Prefix: p.Prefix})
	if err != nil {
		return err
	}
	pool, err := pgxpool.New(ctx, p.DSN)
	if err != nil {
		return err
	}
	defer pool.Close()
	f, err := fleet.New(ctx, pool, &shelves{p}, ix, &fleet.Config{
		Role: p.Role, Lease: fleetLease, PartProducts: fleetPart, Attempts: 9,
	})
	if err != nil {
		return err
	}
	if p.Role == fleet.Trigger {
		_, total, err := f.Jobs(ctx, acme, reindex.JobQuery{Limit: 1})
		if err == nil && total == 0 {
			_, _, err = f.Start(ctx, acme)
		}
		if err != nil {
			return err
		}
	}
	if err := f.Work(ctx); err != nil {
		return err
	}
	<-ctx.Done()
	return f.Shutdown(context.WithoutCancel(ctx))
}

// shelves is a source of parts, which notes in a file each part that was read to its end.
type shelves struct{ process fleetProcess }

func (s *shelves) Open(context.Context, string) (reindex.Snapshot, error) { return s, nil }
func (s *shelves) Close() error                                           { return nil }
func (s *shelves) Count(context.Context) (int64, error)                   { return int64(s.process.Products), nil }

func (s *shelves) Products(context.Context) iter.Seq2[reindex.Product, error] {
	return func(yield func(reindex.Product, error) bool) {
		yield(reindex.Product{}, errors.New("it is read in parts"))
	}
}

func (s *shelves) Split(context.Context, int) ([]string, error) {
	var names []string
	for first := 0; first < s.process.Products; first += fleetPart {
		names = append(names, strconv.Itoa(first))
	}
	return names, nil
}

func (s *shelves) Part(ctx context.Context, name string) iter.Seq2[reindex.Product, error] {
	return func(yield func(reindex.Product, error) bool) {
		first, err := strconv.Atoi(name)
		for i := first; err == nil && i < min(first+fleetPart, s.process.Products); i++ {
			if !yield(reindextest.NewProduct("p"+strconv.Itoa(i), map[string]any{"rev": "1"}), nil) {
				return
			}
			err = ctx.Err()
		}
		if err == nil {
			err = s.note(name)
		}
		if err != nil {
			yield(reindex.Product{}, err)
		}
	}
}

// note adds a line to the file of reads; processes append whole lines.
func (s *shelves) note(name string) error {
	file, err := os.OpenFile(s.process.Reads, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	_, err = file.WriteString(name + "\n")
	return errors.Join(err, file.Close())
}
