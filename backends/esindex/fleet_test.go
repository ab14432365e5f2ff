package esindex

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"iter"
	"math/rand/v2"
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
	fleetPart     = 500 // products
)

// fleetProcess is what a worker is told of the fleet.
type fleetProcess struct {
	DSN      string `json:"dsn"`
	URL      string `json:"url"`
	Prefix   string `json:"prefix"`
	Reads    string `json:"reads"` // the file of reads
	Products int    `json:"products"`
}

// Three processes on one database and one index, of which one triggers and two work: workers are killed and stopped
// past their lease at seeded moments. The job succeeds, nothing is lost, and no more parts are read twice than were
// under way. PRODUCTINDEX_FLEET=200000,20 sets the number of products and of seeds.
func TestFleetUnderKills(t *testing.T) {
	products, seeds := 10_000, 2
	if text := os.Getenv("PRODUCTINDEX_FLEET"); text != "" {
		if _, err := fmt.Sscanf(text, "%d,%d", &products, &seeds); err != nil {
			t.Fatalf("PRODUCTINDEX_FLEET is %q: %v", text, err)
		}
	}
	server, dsn := estest.Plain(t), pgtest.Start(t)
	for seed := range seeds {
		t.Run(fmt.Sprint("seed ", seed), func(t *testing.T) {
			ix := openOn(t, server.Transport(t), nil)
			p := fleetProcess{DSN: dsn, URL: server.URL, Prefix: ix.cfg.Prefix, Reads: filepath.Join(t.TempDir(), "reads"), Products: products}
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
	trigger, err := fleet.New(t.Context(), pool, &shelves{p}, ix, &fleet.Config{Role: fleet.Trigger, Lease: fleetLease})
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := trigger.Shutdown(context.WithoutCancel(t.Context())); err != nil {
			t.Error(err)
		}
	}()
	workers := []*exec.Cmd{startWorker(t, p), startWorker(t, p)}
	job, _, err := trigger.Start(t.Context(), acme)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 3*time.Minute)
	defer cancel()
	harm := time.After(time.Duration(random.IntN(2000)) * time.Millisecond)
	ended := make(chan reindex.Job, 1)
	go func() {
		var last reindex.Job
		for j := range trigger.Watch(ctx, acme, job.ID) {
			last = j
		}
		ended <- last
	}()
	harms := 0
	for job.Status == "" || !job.Status.Ended() {
		select {
		case job = <-ended:
			if !job.Status.Ended() {
				t.Fatalf("the job is %s in phase %s with %d processed after 3 min", job.Status, job.Phase, job.Processed)
			}
		case <-time.After(100 * time.Millisecond):
			assertNoMixture(t, ix, p.Products)
		case <-harm:
			i := random.IntN(len(workers))
			if harms++; random.IntN(2) == 0 {
				kill(t, workers[i])
				workers[i] = startWorker(t, p)
			} else {
				pause(t, workers[i], fleetLease*3/2)
			}
			if harms < 3 {
				harm = time.After(time.Duration(500+random.IntN(3000)) * time.Millisecond)
			}
		}
	}
	t.Logf("workers were harmed %d times", harms)
	if harms == 0 {
		t.Error("the job was over before a worker was harmed")
	}
	if job.Status != reindex.StatusSuccess || job.Report.Indexed != int64(p.Products) {
		t.Fatalf("the job is %s (%s), indexed %d", job.Status, job.Message, job.Report.Indexed)
	}
	if n, err := ix.DocCount(t.Context(), acme); err != nil || n != int64(p.Products) {
		t.Errorf("%d products are live, error %v; want %d", n, err, p.Products)
	}
	text, err := os.ReadFile(p.Reads)
	if err != nil {
		t.Fatal(err)
	}
	parts, reads := (p.Products+fleetPart-1)/fleetPart, strings.Count(string(text), "\n")
	if under := 2 * harms; reads < parts || reads > parts+under {
		t.Errorf("%d parts were read to their ends %d times, at most %d were under way", parts, reads, under)
	}
}

// assertNoMixture fails if one search finds products of both generations.
func assertNoMixture(t *testing.T, ix *Index, products int) {
	t.Helper()
	var answer struct {
		Hits         struct{ Total struct{ Value int } }
		Aggregations struct {
			Old struct {
				Count int `json:"doc_count"`
			}
		}
	}
	size := 0
	err := call(t.Context(), ix.transport, "searching", esapi.SearchRequest{Index: []string{ix.Alias(acme)}, Size: &size, TrackTotalHits: true,
		Body: jsonBody(map[string]any{"aggs": map[string]any{"old": map[string]any{"filter": map[string]any{"match": map[string]any{"rev": "0"}}}}})}, &answer)
	if err != nil {
		t.Fatal(err)
	}
	if total, old := answer.Hits.Total.Value, answer.Aggregations.Old.Count; (total != 7 || old != 7) && (total != products || old != 0) {
		t.Errorf("a search finds %d products, %d of them old ones", total, old)
	}
}

func startWorker(t *testing.T, p fleetProcess) *exec.Cmd {
	t.Helper()
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

// kill ends a worker as a crash does.
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

// pause stops a worker for a while, which does not know of it.
func pause(t *testing.T, cmd *exec.Cmd, while time.Duration) {
	t.Helper()
	if err := cmd.Process.Signal(syscall.SIGSTOP); err != nil {
		t.Fatal(err)
	}
	time.AfterFunc(while, func() { _ = cmd.Process.Signal(syscall.SIGCONT) }) // it may be over by then
}

// workInFleet is what a worker does, until it is told to end.
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
	f, err := fleet.New(ctx, pool, &shelves{p}, ix, &fleet.Config{Role: fleet.Worker, Lease: fleetLease, PartProducts: fleetPart, Attempts: 9})
	if err != nil {
		return err
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
