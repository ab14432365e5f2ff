//go:build unix

package main

import (
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"productindex/reindex/reindextest"
)

// Two servers with one PostgreSQL and one Elasticsearch behave like one server.
func TestSharing(t *testing.T) {
	t.Parallel()
	address, jobs := startElasticsearch(t), startPostgres(t)
	test := func(name, tenant string, fn func(t *testing.T, c *cluster)) {
		t.Run(name, func(t *testing.T) {
			t.Parallel() // these tests mostly wait for leases
			fn(t, newCluster(t, tenant, address, jobs))
		})
	}
	test("OneRun", "acme", testOneRun)
	for _, tenant := range []string{"globex", "hooli"} {
		test("Killed/"+tenant, tenant, func(t *testing.T, c *cluster) {
			testKilledRunner(t, c)
			c.assertOneIndex(t, address)
		})
	}
	test("PausedAtWork", "initech", func(t *testing.T, c *cluster) {
		testPausedRunner(t, c, pause{event.isWrite, false, "the lease of the job was lost"})
	})
	test("PausedAtTheSwitch", "umbrella", func(t *testing.T, c *cluster) {
		testPausedRunner(t, c, pause{event.isSwitch, true, "a newer reindex of the tenant has taken over"})
	})
}

// 50 simultaneous triggers start one run.
func testOneRun(t *testing.T, c *cluster) {
	defer c.watch(t)()
	c.write(t, "second")
	all := make(chan struct{})
	for _, w := range c.wires {
		w.set(func(event) { <-all }) // so that no run ends before the last trigger
	}
	var (
		mu      sync.Mutex
		created int
		ids     = map[string]bool{}
		calls   sync.WaitGroup
	)
	for i := range 50 {
		calls.Go(func() {
			j, isNew := c.servers[i%2].trigger(t, c.tenant)
			mu.Lock()
			defer mu.Unlock()
			ids[j.ID] = true
			if isNew {
				created++
			}
		})
	}
	calls.Wait()
	close(all)
	if created != 1 || len(ids) != 1 {
		t.Errorf("%d jobs were created, and the triggers returned %v, want one job", created, ids)
	}
	for id := range ids {
		for _, s := range c.servers {
			if end := s.awaitEnd(t, c.tenant, id); end.Status != "SUCCESS" {
				t.Errorf("the job is %+v, want SUCCESS", end)
			}
		}
	}
	c.assertLive(t, "second")
	if jobs := c.servers[0].jobs(t, c.tenant); len(jobs) != 2 {
		t.Errorf("there are the jobs %+v, want this one and the one before", jobs)
	}
	c.stop(t)
}

// kills returns the number of kills of runners, for each of two tenants.
func kills() int { return reindextest.Seeds(3, 10) }

// If a server is killed at any moment of a run, its job fails when the lease runs out, a complete index is live, and
// the next trigger reindexes the tenant.
func testKilledRunner(t *testing.T, c *cluster) {
	defer c.watch(t)()
	events := 0
	c.wires[0].set(func(event) { events++ })
	c.succeed(t, 0, "counted")
	c.wires[0].set(nil)
	live, outcomes := "counted", map[string]int{}
	rounds := kills()
	for round := range rounds {
		victim, at := rand.IntN(2), rand.IntN(events)
		if round == 0 {
			at /= 2 // at least one is killed before its switch-over
		}
		rev := fmt.Sprintf("round%d", round)
		c.write(t, rev)
		id, killed := c.killAt(t, victim, at)
		c.start(t, victim) // meanwhile the job's lease runs out
		end := c.servers[1-victim].awaitEnd(t, c.tenant, id)
		outcomes[end.Status]++
		switch {
		case end.Status == "SUCCESS": // the server was killed after the end of the job
			c.assertLive(t, rev)
		case !strings.Contains(end.Message, "did not renew"):
			t.Errorf("the job is %+v, want one that did not renew its lease", end)
		case end.Metadata.ModifiedAt.Sub(killed) > 10*sharedLease: // even a busy machine is faster
			t.Errorf("the job ended %v after its process was killed, want at most %v: %+v",
				end.Metadata.ModifiedAt.Sub(killed), 10*sharedLease, end)
		default:
			c.assertLive(t, live, rev)
		}
		live = rev + "again"
		c.succeed(t, rand.IntN(2), live)
	}
	t.Logf("of %d kills in a run of %d events, the jobs ended as %v", rounds, events, outcomes)
	if outcomes["FAILURE"] == 0 {
		t.Errorf("the jobs ended as %v, want at least one FAILURE", outcomes)
	}
	c.stop(t)
}

// killAt triggers a reindex and kills the server that runs it at one of its events.
func (c *cluster) killAt(t *testing.T, victim, at int) (id string, killed time.Time) {
	t.Helper()
	s, n := c.servers[victim], 0
	triggered, reached := make(chan struct{}), make(chan struct{})
	var mu sync.Mutex
	c.wires[victim].set(func(event) {
		mu.Lock()
		defer mu.Unlock()
		if n++; n == at+1 {
			<-triggered
			if err := s.cmd.Process.Kill(); err != nil {
				t.Error(err)
			}
			close(reached)
		}
	})
	defer c.wires[victim].set(nil)
	j, isNew := s.trigger(t, c.tenant)
	close(triggered)
	if !isNew {
		t.Fatalf("the trigger returned the running job %+v, want a new one", j)
	}
	ticker, over := time.NewTicker(20*time.Millisecond), time.After(patience)
	defer ticker.Stop()
	for ended := false; !ended; {
		select {
		case <-reached:
			ended = true
		case <-ticker.C:
			ended = c.servers[1-victim].job(t, c.tenant, j.ID).ended()
		case <-over:
			t.Fatalf("the run neither ended nor reached event %d, want one of them", at)
		}
	}
	_ = s.cmd.Process.Kill() // unless it was killed at the event
	for range s.log {        // until the server has ended
	}
	_ = s.cmd.Wait()
	return j.ID, time.Now()
}

// pause describes when a server is paused and how its run fails.
type pause struct {
	at     func(event) bool
	passes bool // whether the request at which the server was paused still reaches Elasticsearch
	want   string
}

// A server is paused during its run until another server takes over. When it continues, it publishes nothing.
func testPausedRunner(t *testing.T, c *cluster, p pause) {
	defer c.watch(t)()
	paused, other := c.servers[0], c.servers[1]
	reached, proceed := make(chan struct{}), make(chan struct{})
	var once sync.Once
	c.wires[0].set(func(e event) {
		if p.at(e) {
			once.Do(func() { close(reached) })
			<-proceed
		}
	})
	c.write(t, "paused")
	j, _ := paused.trigger(t, c.tenant)
	select {
	case <-reached:
	case <-time.After(patience):
		t.Fatal("the run does not reach the event at which it is paused")
	}
	if err := paused.cmd.Process.Signal(syscall.SIGSTOP); err != nil {
		t.Fatal(err)
	}
	c.write(t, "newer")
	newer := takeOver(t, other, c.tenant)
	if end := other.awaitEnd(t, c.tenant, newer.ID); end.Status != "SUCCESS" {
		t.Errorf("the other server's job is %+v, want SUCCESS", end)
	}
	c.assertLive(t, "newer")

	if err := paused.cmd.Process.Signal(syscall.SIGCONT); err != nil {
		t.Fatal(err)
	}
	if p.passes {
		close(proceed)
	}
	var failure struct {
		Job   string `json:"job"`
		Error string `json:"error"`
	}
	paused.await(t, `"reindex failed"`, &failure)
	if failure.Job != j.ID || !strings.Contains(failure.Error, p.want) {
		t.Errorf("the run that was paused failed with %+v, want %q", failure, p.want)
	}
	if !p.passes {
		close(proceed)
	}
	c.assertLive(t, "newer")
	for _, s := range c.servers {
		if end := s.awaitEnd(t, c.tenant, j.ID); end.Status != "FAILURE" {
			t.Errorf("the job of the server that was paused is %+v, want FAILURE", end)
		}
	}
	c.stop(t)
	c.assertLive(t, "newer")
}

// takeOver triggers a reindex until its job is new. This happens when the lease of the previous job has run out.
func takeOver(t *testing.T, s *server, tenant string) job {
	t.Helper()
	ticker, over := time.NewTicker(20*time.Millisecond), time.After(patience)
	defer ticker.Stop()
	for {
		if j, isNew := s.trigger(t, tenant); isNew {
			return j
		}
		select {
		case <-ticker.C:
		case <-over:
			t.Fatal("no new job was created: the job of the paused server does not end")
		}
	}
}

// assertOneIndex checks that no index of a dead run is left.
func (c *cluster) assertOneIndex(t *testing.T, address string) {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), http.MethodGet,
		address+"/_cat/indices/"+c.prefix+"-*?h=index&expand_wildcards=all", nil)
	if err != nil {
		t.Fatal(err)
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	if indexes := strings.Fields(string(body)); err != nil || response.StatusCode != http.StatusOK || len(indexes) != 1 {
		t.Errorf("got the indexes %q, error %v, want only the live one", body, err)
	}
}
