package httpapi

import (
	"context"
	"iter"
	"net/http"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"productindex/reindex"
)

// watched is an engine that counts the calls of Watch.
type watched struct {
	*reindex.Engine

	watches *atomic.Int64
}

func (w watched) Watch(ctx context.Context, tenant, id string) iter.Seq2[reindex.Job, error] {
	w.watches.Add(1)
	return w.Engine.Watch(ctx, tenant, id)
}

// All streams of a job share one call of Watch. After all of them have ended, the next stream makes a new call.
func TestStreamsShareAFeed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		inner, step := stepwise(t, nil)
		e := watched{inner, &atomic.Int64{}}
		s := serveInTime(t, e, Config{})
		id := s.create(creation)
		var streams []*stream
		for range 20 {
			streams = append(streams, s.follow(id, ""))
		}
		for _, c := range streams {
			c.event()
		}
		if n := e.watches.Load(); n != 1 {
			t.Errorf("Watch was called %d times, want once", n)
		}
		for _, c := range streams {
			c.hang()
		}
		synctest.Wait()
		again := s.follow(id, "")
		again.event()
		if n := e.watches.Load(); n != 2 {
			t.Errorf("Watch was called %d times after all streams had ended, want 2", n)
		}
		close(step)
		if last := again.until(func(e seen) bool { return e.Status == "SUCCESS" }); *last.ProcessedCount != 100 {
			t.Errorf("the last event is %s, want 100 products", last.data)
		}
	})
}

// Clients that do not read delay neither the run nor other clients.
func TestStalledClientsDelayNobody(t *testing.T) {
	inTime(t, Config{}, func(t *testing.T, s *service, e *reindex.Engine, step chan struct{}) {
		id := s.create(creation)
		for range 10 {
			s.follow(id, "")
		}
		c := s.follow(id, "")
		c.event()
		begin := time.Now()
		close(step)
		c.until(func(e seen) bool { return e.Status == "SUCCESS" })
		if took := time.Since(begin); took > 2*defaultStreamInterval {
			t.Errorf("the end came after %v, want at most two intervals", took)
		}
		job, err := e.Job(t.Context(), "acme", id)
		if err != nil || job.Report.Durations.Load > 0 {
			t.Errorf("the load took %v, error %v, want no time", job.Report.Durations.Load, err)
		}
	})
}

// After a feed has failed, the next client gets a new one.
func TestFeedAfterAFailure(t *testing.T) {
	fails := true
	s := serve(t, &fakeEngine{job: found(unfinished), watch: func(yield func(reindex.Job, error) bool) {
		if fails {
			fails = false
			panic("the engine is broken")
		}
		ended := unfinished
		ended.Status = reindex.StatusSuccess
		yield(ended, nil)
	}}, brisk)
	if e, ok := s.follow("J1", "").event(); ok {
		t.Errorf("got the event %s of the broken engine, want none", e.data)
	}
	if e, _ := s.follow("J1", "").event(); e.Status != "SUCCESS" {
		t.Errorf("got the event %s after the failure, want SUCCESS", e.data)
	}
	if got := s.send(http.MethodGet, jobsPath+"/J1", ""); got.status != http.StatusOK {
		t.Errorf("the job: got %d, want %d", got.status, http.StatusOK)
	}
}
