package main

import (
	"context"
	"errors"
	"io"
	"iter"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"productindex/reindex"
	"productindex/reindex/reindextest"
)

// Clients that follow a job do not delay the shutdown of the server, which waits for the job itself.
func TestServerStopsAmidstEvents(t *testing.T) {
	t.Run("asked to stop", func(t *testing.T) { stopAmidstEvents(t, func(stop func(), _ net.Listener) { stop() }, nil) })
	t.Run("accepts no more", func(t *testing.T) {
		stopAmidstEvents(t, func(_ func(), listener net.Listener) { listener.Close() }, net.ErrClosed)
	})
}

func stopAmidstEvents(t *testing.T, end func(stop func(), listener net.Listener), want error) {
	t.Helper()
	hold := make(chan struct{})
	source := reindex.SourceFunc(func(context.Context, string) iter.Seq2[reindex.Product, error] {
		return func(yield func(reindex.Product, error) bool) {
			<-hold
			yield(reindextest.Products(1, "1")[0], nil)
		}
	})
	engine, err := reindex.New(source, reindextest.NewMemory(), nil)
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(t.Context())
	discarded := slog.New(slog.DiscardHandler)
	scheduler, err := operations{TimeZone: "UTC"}.scheduler(engine, discarded)
	if err != nil {
		t.Fatal(err)
	}
	limits, err := operations{}.throttle()
	if err != nil {
		t.Fatal(err)
	}
	made := parts{engine: engine, limits: limits, metrics: http.NotFoundHandler(), log: discarded}
	handler, err := routes(ctx, config{}, made, scheduler)
	if err != nil {
		t.Fatal(err)
	}
	listener, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	job, _, err := engine.Start(t.Context(), "acme")
	if err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- serve(ctx, stop, listener, handler, made, time.Hour) }()

	client, hangUp := context.WithTimeout(t.Context(), patience)
	defer hangUp()
	address := "http://" + listener.Addr().String() + "/indexing/acme/reindex-jobs/" + job.ID + "/events"
	request, err := http.NewRequestWithContext(client, http.MethodGet, address, nil)
	if err != nil {
		t.Fatal(err)
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	end(stop, listener)
	events, err := io.ReadAll(response.Body)
	if err != nil || !strings.HasPrefix(string(events), "retry: ") {
		t.Errorf("got %s, error %v, with the events %s; want a stream", response.Status, err, events)
	}
	close(hold)
	if err := <-ended; !errors.Is(err, want) {
		t.Error(err)
	}
	if job, err := engine.Job(t.Context(), "acme", job.ID); err != nil || job.Status != reindex.StatusSuccess {
		t.Errorf("the job is %s, error %v, want SUCCESS", job.Status, err)
	}
}
