package main

import (
	"bytes"
	"encoding/hex"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"productindex/reindex/reindextest"
)

// collector receives the OTLP requests of a server. Tests search them for texts, which protocol buffers do not change.
type collector struct {
	*httptest.Server

	mu   sync.Mutex
	sent map[string][]byte // by path
	more chan struct{}
}

func collect(t *testing.T) *collector {
	t.Helper()
	c := &collector{sent: map[string][]byte{}, more: make(chan struct{}, 1)}
	c.Server = httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			t.Error(err)
		}
		c.mu.Lock()
		defer c.mu.Unlock()
		c.sent[r.URL.Path] = append(c.sent[r.URL.Path], body...)
		select {
		case c.more <- struct{}{}:
		default:
		}
	}))
	t.Cleanup(c.Close)
	return c
}

// await waits until a request to the path contains a text.
func (c *collector) await(t *testing.T, path, text string) {
	t.Helper()
	for deadline := time.After(patience); ; {
		c.mu.Lock()
		found := bytes.Contains(c.sent[path], []byte(text))
		c.mu.Unlock()
		if found {
			return
		}
		select {
		case <-c.more:
		case <-deadline:
			t.Fatalf("%s did not get %q", path, text)
		}
	}
}

// If the variables of OpenTelemetry are set, the server exports spans and metrics. The trace of a run has a link to the
// request that triggered it, and the log has the ids of both traces.
func TestTelemetry(t *testing.T) {
	c, catalogue := collect(t), t.TempDir()
	writeCatalogue(t, catalogue, "acme", reindextest.Products(10, "1"))
	s := start(t, "PRODUCTINDEX_CATALOGUES="+catalogue, "PRODUCTINDEX_INDEX="+t.TempDir(),
		"OTEL_EXPORTER_OTLP_ENDPOINT="+c.URL, "OTEL_EXPORTER_OTLP_PROTOCOL=http/protobuf", "OTEL_SERVICE_NAME=shop",
		"OTEL_BSP_SCHEDULE_DELAY=100", "OTEL_METRIC_EXPORT_INTERVAL=200")
	const caller, span = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"
	request, err := http.NewRequestWithContext(t.Context(), http.MethodPost, s.address+"/indexing/acme/reindex", nil)
	if err != nil {
		t.Fatal(err)
	}
	request.Header.Set("Traceparent", "00-"+caller+"-"+span+"-01")
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	response.Body.Close()
	var published struct {
		Trace string `json:"trace_id"`
	}
	s.await(t, `"reindex succeeded"`, &published)
	trace, err := hex.DecodeString(published.Trace)
	if err != nil || len(trace) != 16 {
		t.Fatalf("the trace of the run is %q, want 16 bytes", published.Trace)
	}
	link, err := hex.DecodeString(span)
	if err != nil {
		t.Fatal(err)
	}
	for _, text := range []string{"shop", "reindex load", "reindex commit", string(trace), string(link)} {
		c.await(t, "/v1/traces", text)
	}
	c.await(t, "/v1/metrics", "reindex.run.duration")
	s.stop(t)
	if !strings.Contains(strings.Join(s.access, ""), caller) {
		t.Errorf("got the access log\n%s\nwant a line with the caller's trace", strings.Join(s.access, "\n"))
	}
}
